"""What ``kvasir doctor`` says about editors: the state that setup sees, and the command that mends it."""

import shutil
from pathlib import Path

import pytest

from server import doctor
from server.cli import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a PATH of its own, where kvasir and some editors are."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("kvasir", "nvim", "kak"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def about(title: str) -> doctor.Finding:
    (finding,) = [finding for finding in doctor.editors() if finding.what.startswith(f"Editor: {title} (")]
    return finding


def test_an_editor_that_does_not_start_kvasir_is_no_fault_but_setup_is_named(home: Path):
    finding = about("Neovim")
    assert finding.well
    assert finding.what == f"Editor: Neovim ({home}/bin/nvim) does not start Kvasir yet"
    assert finding.todo == 'Run "kvasir setup nvim".'


def test_after_setup_there_is_nothing_to_do(home: Path):
    assert main(["setup", "nvim", "--yes"]) == 0
    assert about("Neovim") == doctor.Finding(well=True, what=f"Editor: Neovim ({home}/bin/nvim) linked")


def test_a_link_that_leads_nowhere_is_a_fault(home: Path):
    link = home / ".local/share/nvim/site/pack/kvasir/start/kvasir"
    link.parent.mkdir(parents=True)
    link.symlink_to(home / "gone")
    finding = about("Neovim")
    assert (finding.well, finding.todo) == (False, 'Run "kvasir setup nvim".')


def test_what_only_the_person_can_do_is_said(home: Path):
    assert "needs kakoune-lsp" in about("Kakoune").todo


def test_a_configuration_that_cannot_be_read_is_a_fault(home: Path):
    kakrc = home / ".config/kak/kakrc"
    kakrc.parent.mkdir(parents=True)
    kakrc.write_bytes(b"\xff\xfe")
    finding = about("Kakoune")
    assert not finding.well
    assert "cannot be read" in finding.what


def test_editors_that_do_not_find_the_program_are_told_its_path(home: Path):
    (home / "bin/kvasir").unlink()
    first = next(iter(doctor.editors()))
    assert first.what.startswith("Editors do not find kvasir on their PATH; setup tells them /")


def test_only_installed_editors_are_looked_at(home: Path):
    shutil.rmtree(home / "bin")
    (home / "bin").mkdir()
    assert [finding for finding in doctor.editors() if finding.what.startswith("Editor:")] == []
