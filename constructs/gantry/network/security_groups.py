"""Who may reach whom."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from contract import cache as cache_contract
from contract import database as database_contract
from contract import service as service_contract
from gantry.nag import acknowledge

# AWS APIs that functions call, by their group; "s3" takes the answers to CloudFormation.
FUNCTION_APIS = {
    "DatabaseFunctions": frozenset({"ecs", "rds", "s3", "secretsmanager"}),
    "CacheFunctions": frozenset({"ecs", "elasticache", "s3", "secretsmanager"}),
    "Functions": frozenset({"ecs", "secretsmanager"}),
    "RestoreTestFunctions": frozenset({"backup", "rds", "secretsmanager"}),
}


@dataclass(frozen=True, kw_only=True)
class RestoreTestGroups:
    """Of databases that are restored to be tested, and of the functions, which alone reach them."""

    database: ec2.ISecurityGroup
    functions: ec2.ISecurityGroup


class SecurityGroups(Construct):
    """Every security group and every rule between them, in one place.

    A rule that a later layer adds to a group of an earlier one would tie the two into a cycle, so that all
    rules are here, with literal ports. What is handed out takes no further rule: a load balancer, for one,
    would add rules of its own next to these, and EC2 refuses duplicates.

    Functions call AWS by HTTPS anywhere, or, where endpoints serve all that they call, through those alone.

    Parameters
    ----------
    vpc
        Where the groups are.
    listener_ports
        Ports that the load balancer offers to the internet.
    endpoints
        Names of the services that have an interface endpoint.
    s3_prefix_list
        Id of the list of S3's addresses in the region, where S3's gateway endpoint is to serve functions.
    with_restore_tests
        Whether there are restored databases to query.
    with_database_proxy
        Whether a proxy is in front of the database. The way around it stays open, so that turning it on
        or off cuts no one off.

    Attributes
    ----------
    load_balancer, service, database, cache
        Of the request's path.
    database_functions, cache_functions, functions
        Of the Lambda functions that administer the database and the cache, and of those that reach AWS alone.
    endpoint
        Of the interface endpoints, where there are any.
    database_proxy
        Of the proxy in front of the database; None without one.
    restore_tests
        Of restored databases and the functions that query them; None without restore tests.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        listener_ports: Sequence[int],
        endpoints: Collection[str] = (),
        with_restore_tests: bool = False,
        with_database_proxy: bool = False,
        s3_prefix_list: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._vpc, self._s3_prefix_list = vpc, s3_prefix_list
        self._private = {*endpoints} if s3_prefix_list is None else {*endpoints, "s3"}
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
            "Only the load balancer is open to the internet, at its listeners' ports.",
            "AwsSolutions-EC23",
        )
        self._connect(load_balancer, service, service_contract.PORT, "requests and health checks")
        self._connect(service, database, database_contract.PORT, "PostgreSQL")
        self._connect(service, cache, cache_contract.PORT, "Valkey")
        self._connect(database_functions, database, database_contract.PORT, "PostgreSQL")
        self._connect(cache_functions, cache, cache_contract.PORT, "Valkey")
        self.database_proxy: ec2.ISecurityGroup | None = None
        if with_database_proxy:
            proxy = self._group("DatabaseProxy", "proxy in front of the database")
            self._connect(service, proxy, database_contract.PORT, "PostgreSQL")
            self._connect(database_functions, proxy, database_contract.PORT, "PostgreSQL")
            self._connect(proxy, database, database_contract.PORT, "PostgreSQL")
            self.database_proxy = self._closed(proxy)
        callers = [service, database_functions, cache_functions, functions]
        self.restore_tests: RestoreTestGroups | None = None
        if with_restore_tests:
            restored = self._group("RestoredDatabase", "databases restored for tests")
            examiners = self._group("RestoreTestFunctions", "functions that query restored databases")
            self._connect(examiners, restored, database_contract.PORT, "PostgreSQL")
            callers.append(examiners)
            self.restore_tests = RestoreTestGroups(
                database=self._closed(restored), functions=self._closed(examiners)
            )
        endpoint = self._group("Endpoints", "interface endpoints of AWS APIs") if endpoints else None
        for group in callers:
            self._reach_apis(group, endpoint)
        self.endpoint = None if endpoint is None else self._closed(endpoint)
        self.load_balancer, self.service = self._closed(load_balancer), self._closed(service)
        self.database, self.cache = self._closed(database), self._closed(cache)
        self.database_functions = self._closed(database_functions)
        self.cache_functions, self.functions = self._closed(cache_functions), self._closed(functions)

    def _reach_apis(self, caller: ec2.SecurityGroup, endpoint: ec2.SecurityGroup | None) -> None:
        apis = FUNCTION_APIS.get(caller.node.id)
        if endpoint is None or apis is None or not apis <= self._private:
            caller.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS APIs")
            if endpoint is not None:
                self._admit(caller, endpoint, 443, "AWS APIs")
            return
        self._connect(caller, endpoint, 443, "AWS APIs")
        if "s3" in apis:
            ec2.CfnSecurityGroupEgress(
                self,
                f"{caller.node.id}ToS3Egress",
                group_id=caller.security_group_id,
                destination_prefix_list_id=self._s3_prefix_list,
                ip_protocol="tcp",
                from_port=443,
                to_port=443,
                description="S3, through its gateway endpoint",
            )

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
