"""Who may reach whom."""

from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from gantry.nag import acknowledge


class SecurityGroups(Construct):
    """Every security group and every rule between them, in one place.

    A rule that a later layer adds to a group of an earlier one would tie the two into a cycle, so that all
    rules stand here, with literal ports. What is handed out takes no further rule: a load balancer, for one,
    would add rules of its own beside these, and EC2 refuses duplicates.

    Parameters
    ----------
    vpc
        Where the groups are.
    listener_ports
        Ports that the load balancer offers to the internet.
    service_port
        Port that the service's tasks listen on.
    with_endpoints
        Whether there are interface endpoints to reach.
    with_restore_tests
        Whether there are restored databases to query.

    Attributes
    ----------
    load_balancer, service, database, cache
        Of the request's path.
    database_functions, cache_functions, functions
        Of the Lambda functions that administer the database and the cache, and of those that reach AWS alone.
    endpoints
        Of the interface endpoints, where there are any.
    restored_database, restore_test_functions
        Of databases that are restored to be tested, and of the functions that query them and whom alone they
        answer; None without restore tests.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        listener_ports: Sequence[int],
        service_port: int,
        with_endpoints: bool,
        with_restore_tests: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self._vpc = vpc
        load_balancer = self._group("LoadBalancer", "Application Load Balancer")
        service = self._group("Service", "tasks of the service")
        database = self._group("Database", "Aurora cluster")
        cache = self._group("Cache", "Valkey cache")
        database_functions = self._group("DatabaseFunctions", "functions that administer database roles")
        cache_functions = self._group("CacheFunctions", "functions that administer cache users")
        functions = self._group("Functions", "functions that reach AWS APIs alone")
        for port in listener_ports:
            load_balancer.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "the internet")
        acknowledge(
            load_balancer,
            "The load balancer is the platform's door to the internet; only its listeners' ports are open.",
            "AwsSolutions-EC23",
        )
        self._connect(load_balancer, service, service_port, "requests and health checks")
        self._connect(service, database, 5432, "PostgreSQL")
        self._connect(service, cache, 6379, "Valkey")
        self._connect(database_functions, database, 5432, "PostgreSQL")
        self._connect(cache_functions, cache, 6379, "Valkey")
        callers = [service, database_functions, cache_functions, functions]
        self.restored_database: ec2.ISecurityGroup | None = None
        self.restore_test_functions: ec2.ISecurityGroup | None = None
        if with_restore_tests:
            restored = self._group("RestoredDatabase", "databases restored for tests")
            restore_tests = self._group("RestoreTestFunctions", "functions that query restored databases")
            self._connect(restore_tests, restored, 5432, "PostgreSQL")
            callers.append(restore_tests)
            self.restored_database = self._closed(restored)
            self.restore_test_functions = self._closed(restore_tests)
        for group in callers:
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS APIs")
        self.endpoints = self._endpoints(callers) if with_endpoints else None
        self.load_balancer, self.service = self._closed(load_balancer), self._closed(service)
        self.database, self.cache = self._closed(database), self._closed(cache)
        self.database_functions = self._closed(database_functions)
        self.cache_functions, self.functions = self._closed(cache_functions), self._closed(functions)

    def _endpoints(self, callers: Sequence[ec2.SecurityGroup]) -> ec2.ISecurityGroup:
        group = self._group("Endpoints", "interface endpoints of AWS APIs")
        for caller in callers:
            self._admit(caller, group, 443, "AWS APIs")
        return self._closed(group)

    def _group(self, name: str, what: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, name, vpc=self._vpc, description=what, allow_all_outbound=False)

    def _closed(self, group: ec2.SecurityGroup) -> ec2.ISecurityGroup:
        return ec2.SecurityGroup.from_security_group_id(
            self, f"Closed{group.node.id}", group.security_group_id, mutable=False
        )

    def _connect(self, source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, what: str) -> None:
        """Let one group reach another.

        The L2's rules are identified by the whole path of the other group, which a pipeline would change:
        CloudFormation would then make each rule a second time, and EC2 refuses duplicates.
        """
        ec2.CfnSecurityGroupEgress(
            self,
            f"{source.node.id}To{target.node.id}Egress",
            group_id=source.security_group_id,
            destination_security_group_id=target.security_group_id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=what,
        )
        self._admit(source, target, port, what)

    def _admit(self, source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, what: str) -> None:
        """Let a group in that may already go out to there."""
        ec2.CfnSecurityGroupIngress(
            self,
            f"{source.node.id}To{target.node.id}Ingress",
            group_id=target.security_group_id,
            source_security_group_id=source.security_group_id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=what,
        )
