"""Builds the package with the standard library alone (PEP 517), so that it installs offline.

``warmline_client.py`` is one file for people to copy and the module ``warmline.client`` as well.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCES = {
    "warmline/client.py": HERE / "warmline_client.py",
    **{f"warmline/{name}": HERE / "warmline" / name
       for name in ("__init__.py", "aio.py", "bus.py", "bus_file.py", "monitoring.py",
                    "py.typed")},
}


def build_wheel(wheel_directory: str, config_settings: Any = None,
                metadata_directory: Any = None) -> str:
    """Writes the wheel and returns its name."""
    project = _project()
    info = f"{project['name']}-{project['version']}.dist-info"
    files = {name: path.read_bytes() for name, path in SOURCES.items()}
    files[f"{info}/METADATA"] = _metadata(project)
    files[f"{info}/WHEEL"] = (b"Wheel-Version: 1.0\nGenerator: warmline\n"
                              b"Root-Is-Purelib: true\nTag: py3-none-any\n")
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    record.append(f"{info}/RECORD,,")
    files[f"{info}/RECORD"] = "\n".join([*record, ""]).encode()
    wheel = f"{project['name']}-{project['version']}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return wheel


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Writes the source archive and returns its name."""
    project = _project()
    stem = f"{project['name']}-{project['version']}"
    files = {path.relative_to(HERE).as_posix(): path.read_bytes()
             for path in [*SOURCES.values(), HERE / "README.md", HERE / "pyproject.toml",
                          Path(__file__)]}
    files["PKG-INFO"] = _metadata(project)
    with tarfile.open(Path(sdist_directory) / f"{stem}.tar.gz", "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{stem}/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return f"{stem}.tar.gz"


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    return project


def _metadata(project: dict[str, Any]) -> bytes:
    head = (f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
            f"Summary: {project['description']}\nLicense: {project['license']['text']}\n"
            f"Requires-Python: {project['requires-python']}\n"
            "Description-Content-Type: text/markdown\n\n")
    return head.encode() + (HERE / "README.md").read_bytes()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
