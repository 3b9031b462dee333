"""Metrics that the Lambda functions publish and that alarms and the dashboard show."""

NAMESPACE = "Gantry"

ROTATION = "rotation"  # the service of the metrics of secrets, whose dimension is their name
ROTATION_DIMENSION = "Secret"
DAYS_SINCE_ROTATION = "DaysSinceRotation"
HOURS_PREVIOUS_ACTIVE = "HoursPreviousCredentialActive"

RESTORE_TEST = "restore-test"  # of the restore testing plan, likewise
RESTORE_TEST_DIMENSION = "Plan"
DAYS_SINCE_RESTORE_TEST = "DaysSinceRestoreTest"
RESTORE_TEST_FAILED = "RestoreTestFailed"
HOURS_RESTORED_CLUSTER_KEPT = "HoursRestoredClusterKept"
