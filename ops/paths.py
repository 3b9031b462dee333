"""Where things lie in a checkout."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK_DIR = ROOT / ".gantry"
LOG_DIR = WORK_DIR / "logs"
SANDBOX_DIR = Path(os.environ.get("GANTRY_STATE_DIR", WORK_DIR / "sandbox")).resolve()
CDK = ROOT / "node_modules" / ".bin" / "cdk"
SERVICE_DIR = ROOT / "service"
