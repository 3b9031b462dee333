"""AWS Backup and RDS, as far as restore tests go: a restored cluster has no instance, and is often busy."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.aws.secrets_manager import Secret
from tests.aws.transport import Answer, AwsError, SimulatedClock

PLAN = "gantry_test"
PLAN_ARN = f"arn:aws:backup:us-east-1:000000000000:restore-testing-plan:{PLAN}-1"
KEY = "arn:aws:kms:us-east-1:000000000000:key/secrets"
_CLUSTER_ARN = "arn:aws:rds:us-east-1:000000000000:cluster:"


@dataclass
class Job:
    id: str
    created: datetime
    cluster: str | None
    status: str = "RUNNING"
    completed: datetime | None = None
    validation: str | None = None
    message: str = ""
    deletion: str | None = None


class Backup:
    """One plan and its jobs. A verdict removes the cluster, once, which fails next to an instance."""

    def __init__(self, rds: "Rds", clock: SimulatedClock) -> None:
        self._rds, self._clock = rds, clock
        self.created = clock.now()
        self.jobs: list[Job] = []

    def restore(self, name: str = "awsbackup-restore-test-1") -> Job:
        """Restore a recovery point, as the plan's schedule does."""
        job = Job(f"job-{len(self.jobs)}", self._clock.now(), name)
        self._clock.sleep(600)
        self.jobs.append(job)
        self._rds.clusters[name] = Cluster(name, self._clock)
        job.status, job.completed = "COMPLETED", self._clock.now()
        return job

    def fail(self) -> Job:
        """Fail to restore one."""
        job = Job(f"job-{len(self.jobs)}", self._clock.now(), None)
        self._clock.sleep(60)
        job.status, job.completed = "FAILED", self._clock.now()
        self.jobs.append(job)
        return job

    def end_window(self, job: Job) -> None:
        """Let the time for the verdict run out."""
        if job.validation is None:
            job.validation = "TIMED_OUT"
            self._delete(job)

    def get_restore_testing_plan(self, *, restore_testing_plan_name: str) -> Answer:
        if restore_testing_plan_name != PLAN:
            raise AwsError("ResourceNotFoundException")
        return {
            "RestoreTestingPlan": {
                "CreationTime": self.created,
                "RecoveryPointSelection": {},
                "RestoreTestingPlanArn": PLAN_ARN,
                "RestoreTestingPlanName": PLAN,
                "ScheduleExpression": "cron(0 8 ? * SUN *)",
            }
        }

    def list_restore_jobs(self, *, by_restore_testing_plan_arn: str) -> Answer:
        assert by_restore_testing_plan_arn == PLAN_ARN
        return {"RestoreJobs": [_described(job) for job in self.jobs]}

    def put_restore_validation_result(
        self, *, restore_job_id: str, validation_status: str, validation_status_message: str
    ) -> Answer:
        (job,) = [job for job in self.jobs if job.id == restore_job_id]
        if job.validation is not None:
            raise AwsError("InvalidRequestException")
        job.validation, job.message = validation_status, validation_status_message
        self._delete(job)
        return {}

    def _delete(self, job: Job) -> None:
        try:
            self._rds.delete_db_cluster(
                db_cluster_identifier=str(job.cluster),
                skip_final_snapshot=True,
                delete_automated_backups=True,
            )
        except AwsError:
            job.deletion = "FAILED"
        else:
            job.deletion = "SUCCESSFUL"


@dataclass
class Cluster:
    name: str
    clock: SimulatedClock
    capacity: dict[str, float] | None = None
    managed: bool = False
    instance: str | None = None
    busy_until: datetime | None = None

    def __post_init__(self) -> None:
        self.keep_busy()

    def keep_busy(self) -> None:
        self.busy_until = self.clock.now() + timedelta(minutes=4)

    @property
    def busy(self) -> bool:
        return self.busy_until is not None and self.clock.now() < self.busy_until


class Rds:
    """Clusters of restore tests and no others."""

    def __init__(
        self, clock: SimulatedClock, master: Secret, *, host: str = "127.0.0.1", port: int = 5432
    ) -> None:
        self._clock, self._master, self._address = clock, master, (host, port)
        self.clusters: dict[str, Cluster] = {}

    def describe_db_clusters(self, *, db_cluster_identifier: str) -> Answer:
        cluster = self._find(db_cluster_identifier)
        host, port = self._address
        description: dict[str, Any] = {
            "DBClusterIdentifier": cluster.name,
            "DBClusterArn": _CLUSTER_ARN + cluster.name,
            "Status": "modifying" if cluster.busy else "available",
            "Endpoint": host,
            "Port": port,
        }
        if cluster.capacity:
            description["ServerlessV2ScalingConfiguration"] = cluster.capacity
        if cluster.managed:
            description["MasterUserSecret"] = {
                "SecretArn": self._master.arn,
                "SecretStatus": "creating" if cluster.busy else "active",
            }
        return {"DBClusters": [description]}

    def describe_db_instances(self, *, db_instance_identifier: str) -> Answer:
        status = self._owner(db_instance_identifier).instance
        return {"DBInstances": [{"DBInstanceIdentifier": db_instance_identifier, "DBInstanceStatus": status}]}

    def modify_db_cluster(
        self,
        *,
        db_cluster_identifier: str,
        apply_immediately: bool,
        serverless_v2_scaling_configuration: dict[str, float] | None = None,
        manage_master_user_password: bool = False,
        master_user_secret_kms_key_id: str | None = None,
    ) -> Answer:
        cluster = self._free(db_cluster_identifier)
        assert apply_immediately
        if serverless_v2_scaling_configuration:
            cluster.capacity = serverless_v2_scaling_configuration
        if manage_master_user_password:
            assert cluster.instance == "available", "RDS changes a password by means of an instance"
            assert master_user_secret_kms_key_id == KEY
            cluster.managed = True
        cluster.keep_busy()
        return {"DBCluster": {}}

    def create_db_instance(
        self,
        *,
        db_instance_identifier: str,
        db_cluster_identifier: str,
        publicly_accessible: bool,
        **_: object,
    ) -> Answer:
        cluster = self._free(db_cluster_identifier)
        assert cluster.capacity, "a serverless instance needs the cluster's capacity"
        assert not publicly_accessible
        if cluster.instance:
            raise AwsError("DBInstanceAlreadyExists")
        assert db_instance_identifier == f"{db_cluster_identifier}-1"
        cluster.instance = "creating"
        cluster.keep_busy()
        return {"DBInstance": {}}

    def delete_db_instance(self, *, db_instance_identifier: str, skip_final_snapshot: bool) -> Answer:
        assert skip_final_snapshot
        cluster = self._owner(db_instance_identifier)
        cluster.instance = "deleting"
        cluster.keep_busy()
        return {"DBInstance": {}}

    def delete_db_cluster(
        self, *, db_cluster_identifier: str, skip_final_snapshot: bool, delete_automated_backups: bool
    ) -> Answer:
        assert skip_final_snapshot
        assert delete_automated_backups
        cluster = self._find(db_cluster_identifier)
        if cluster.instance not in {None, "deleting"}:
            raise AwsError("InvalidDBClusterStateFault", "it still contains instances in non-deleting state")
        del self.clusters[db_cluster_identifier]
        return {"DBCluster": {}}

    def _find(self, name: str) -> Cluster:
        if name not in self.clusters:
            raise AwsError("DBClusterNotFoundFault")
        return self.clusters[name]

    def _free(self, name: str) -> Cluster:
        cluster = self._find(name)
        if cluster.busy:
            raise AwsError("InvalidDBClusterStateFault")
        return cluster

    def _owner(self, instance: str) -> Cluster:
        cluster = self.clusters.get(instance.removesuffix("-1"))
        if cluster is not None and not cluster.busy:
            cluster.instance = {"creating": "available", "deleting": None}.get(
                str(cluster.instance), cluster.instance
            )
        if cluster is None or cluster.instance is None:
            raise AwsError("DBInstanceNotFound")
        return cluster


def _described(job: Job) -> dict[str, Any]:
    described: dict[str, Any] = {
        "RestoreJobId": job.id,
        "CreationDate": job.created,
        "RecoveryPointCreationDate": job.created - timedelta(hours=4),
        "Status": job.status,
        "ResourceType": "Aurora",
        "ValidationStatus": job.validation or "VALIDATING",
    }
    optional = {
        "CompletionDate": job.completed,
        "CreatedResourceArn": _CLUSTER_ARN + job.cluster if job.cluster else None,
        "DeletionStatus": job.deletion,
    }
    return described | {name: value for name, value in optional.items() if value is not None}
