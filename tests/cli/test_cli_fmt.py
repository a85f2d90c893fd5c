"""`netspec fmt`: files, folders and standard input; what is checked, what is shown, and what is left alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

BAD = "network:\n    layers:\n    - dense: 1   # few\nnetspec: 1\n"
GOOD = "netspec: 1\nnetwork:\n  layers:\n    - dense: 1   # few\n"


def test_files_are_laid_out_and_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)
    done = run("fmt", "a.yaml", "digits.yaml")
    assert done.exit_code == 0
    assert done.stdout == "formatted a.yaml\n"
    assert done.stderr == "1 spec formatted, 1 spec as it should be\n"
    assert (tmp_path / "a.yaml").read_text() == GOOD
    assert run("fmt", "a.yaml").stdout == ""


def test_check_and_diff_write_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "a.yaml").write_text("netspec: 1\nloss:   mse\n")
    (tmp_path / "specs" / "other.yaml").write_text("x:   1\n")
    checked = run("fmt", "--check", "specs")
    assert checked.exit_code == 1
    assert checked.stdout == f"would format {Path('specs', 'a.yaml')}\n"
    assert "1 spec to format; 1 other YAML file skipped" in checked.stderr
    shown = run("fmt", "--diff", "specs")
    assert shown.exit_code == 0
    assert "\n-loss:   mse\n+loss: mse\n" in shown.stdout
    assert (tmp_path / "specs" / "a.yaml").read_text() == "netspec: 1\nloss:   mse\n"
    assert run("fmt", "--check", "digits.yaml").exit_code == 0


def test_standard_input_is_printed(run: Run) -> None:
    assert run("fmt", "-", input_=BAD).stdout == GOOD
    assert run("fmt", "-", "--check", input_=BAD).exit_code == 1
    assert run("fmt", "-", "digits.yaml", input_=BAD).exit_code == 2


def test_a_faulty_file_is_left_alone_and_the_others_are_laid_out(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("netspec: 1\nloss: [mse\n")
    (tmp_path / "odd.yaml").write_text("%YAML 1.2\n---\nloss:   mse\n")
    (tmp_path / "ugly.yaml").write_text("loss:   mse\n")
    (tmp_path / "bytes.yaml").write_bytes(b"loss: \xff\n")
    done = run("fmt", "bad.yaml", "odd.yaml", "ugly.yaml", "bytes.yaml")
    assert done.exit_code == 1
    assert "bad.yaml:2:11: error[yaml-syntax]" in done.stderr
    assert "error[cannot-format]: the layout is left as it is: it holds a directive of YAML" in done.stderr
    assert "error[not-utf8]" in done.stderr
    assert "1 spec formatted, 3 specs left as they are" in done.stderr
    assert (tmp_path / "odd.yaml").read_text() == "%YAML 1.2\n---\nloss:   mse\n"
    assert (tmp_path / "ugly.yaml").read_text() == "loss: mse\n"


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links of files")
def test_mode_and_links_stay(run: Run, tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("loss:   mse\n")
    real.chmod(0o600)
    (tmp_path / "link.yaml").symlink_to(real)
    assert run("fmt", "link.yaml").exit_code == 0
    assert real.read_text() == "loss: mse\n"
    assert (tmp_path / "link.yaml").readlink() == real
    assert real.stat().st_mode & 0o777 == 0o600


def test_json_tells_what_changed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)
    done = run("fmt", "--json", "--check", "a.yaml", "digits.yaml")
    assert json.loads(done.stdout) == {
        "version": 1,
        "files": [
            {"file": "a.yaml", "changed": True, "steps": []},
            {"file": "digits.yaml", "changed": False, "steps": []},
        ],
        "failed": 0,
    }


def test_upgrade_tells_of_a_later_version(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("netspec: 2\n")
    done = run("fmt", "--upgrade", "a.yaml")
    assert done.exit_code == 1
    assert "a.yaml: it is written in version 2 of the language, and this program reads version 1" in done.stderr
    assert run("fmt", "--upgrade", "digits.yaml").exit_code == 0
