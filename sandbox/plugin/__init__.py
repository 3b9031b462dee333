"""What the sandbox adds to ministack, loaded into its process: one module a service.

ministack emulates AWS's control plane. The plug-in gives databases, caches and tasks real servers and
processes, makes what ministack only pretends really happen (secrets rotate, stacks recover from a crash), and
teaches CloudFormation the resource types that it lacks.
"""
