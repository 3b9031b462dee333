from pathlib import Path

import pytest

from sandbox.tasks.definition import TaskError
from sandbox.tasks.image import Image


def read(folder: Path, dockerfile: str) -> Image:
    (folder / "Dockerfile").write_text(dockerfile)
    return Image.read(folder)


def test_only_the_last_stage_counts(tmp_path: Path) -> None:
    image = read(
        tmp_path,
        """
        # syntax=docker/dockerfile:1
        FROM --platform=$BUILDPLATFORM python:3.13 AS build
        ENV FROM_BUILD=1
        WORKDIR /build
        CMD ["never"]
        FROM python:3.13-slim@sha256:0123
        WORKDIR /app
        ENV ONE=1 \\
            TWO="two words"
        ENV THREE=$ONE-${TWO}
        COPY --from=build /build /app
        CMD ["python", "-m", \\
             "app"]
        """,
    )
    assert image.environment == {"ONE": "1", "TWO": "two words", "THREE": "1-two words"}
    assert image.process() == ("python", "-m", "app")


def test_a_stage_inherits_from_the_stage_that_it_is_built_on(tmp_path: Path) -> None:
    image = read(
        tmp_path,
        """
        FROM python:3.13-slim AS base
        ENV SHARED=base
        WORKDIR /srv
        CMD ["base"]
        FROM base AS tests
        ENV SHARED=tests
        FROM base
        WORKDIR app
        """,
    )
    assert image.environment == {"SHARED": "base"}
    assert image.workdir == "/srv/app"
    assert image.process() == ("base",)


def test_the_working_directory_is_the_folder(tmp_path: Path) -> None:
    image = read(
        tmp_path,
        """
        FROM python
        WORKDIR /app/
        ENV BUNDLE=/app/certs/rds.pem PYTHONPATH=/app:/app/lib:/application HOME_OF_APP=/app OTHER=x/app
        ENTRYPOINT ["/app/start", "--config=/app/x"]
        """,
    )
    variables = image.variables()
    assert variables["BUNDLE"] == f"{tmp_path}/certs/rds.pem"
    assert variables["PYTHONPATH"] == f"{tmp_path}:{tmp_path}/lib:/application"
    assert variables["HOME_OF_APP"] == str(tmp_path)
    assert variables["OTHER"] == "x/app"
    assert image.process() == (f"{tmp_path}/start", "--config=/app/x")


def test_a_volume_is_a_folder_of_the_tasks_own(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM python\nWORKDIR /app\nENV CACHE=/app/cache/x OTHER=/app/cached\n"
    )
    image = Image.read(tmp_path, {"/tmp": Path("/v/0"), "/app/cache": Path("/v/1")})
    variables = image.variables()
    assert (variables["TMPDIR"], variables["CACHE"]) == ("/v/0", "/v/1/x")
    assert variables["OTHER"] == f"{tmp_path}/cached"
    assert image.process(command=("sweep", "/tmp/old")) == ("sweep", "/v/0/old")


def test_the_folders_virtual_environment_comes_first_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    image = read(tmp_path, 'FROM python\nWORKDIR /app\nENV PATH=/app/.venv/bin:$PATH\nCMD ["python"]\n')
    assert image.variables()["PATH"] == f"{tmp_path}/.venv/bin:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("entry_point", "command", "process"),
    [
        ((), (), ("tini", "--", "serve")),
        ((), ("migrate",), ("tini", "--", "migrate")),
        (("sh", "-c"), (), ("sh", "-c")),
        (("sh", "-c"), ("true",), ("sh", "-c", "true")),
    ],
)
def test_definitions_override_the_image_as_docker_lets_them(
    tmp_path: Path, entry_point: tuple[str, ...], command: tuple[str, ...], process: tuple[str, ...]
) -> None:
    image = read(tmp_path, 'FROM x\nENTRYPOINT ["tini", "--"]\nCMD ["serve"]\n')
    assert image.process(entry_point=entry_point, command=command) == process


def test_a_missing_dockerfile_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=f"{tmp_path} has no Dockerfile"):
        Image.read(tmp_path)


def test_the_shell_form_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"Dockerfile, line 2: CMD python app.py is not in exec form"):
        read(tmp_path, "FROM python\nCMD python app.py\n")


def test_an_image_that_runs_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="neither CMD nor ENTRYPOINT"):
        read(tmp_path, "FROM python\n").process()
