"""Settings: read once, refused with the variable's name and a remedy."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from isthmus.config import SettingsInvalid, read_settings


def test_the_defaults_keep_keys_and_data_apart(tmp_path):
    settings = read_settings({"HOME": str(tmp_path)})
    assert settings.home == tmp_path / ".local/share/isthmus"
    assert not settings.key_file.is_relative_to(settings.home)
    assert settings.public_url == "http://127.0.0.1:8700"
    assert not settings.allow_loopback_http
    assert not settings.allow_no_sandbox


def test_a_service_without_home_keeps_its_state_in_the_home_of_its_account():
    assert read_settings({}).home == Path(pwd.getpwuid(os.getuid()).pw_dir) / ".local/share/isthmus"


@pytest.mark.parametrize("variable", ["ISTHMUS_SECRETS_DIR", "ISTHMUS_KEY_FILE"])
def test_a_key_inside_the_data_is_refused_by_whatever_way_it_is_named(tmp_path, variable):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    for way in ("data/k", "link/k", "data/../data/k"):
        with pytest.raises(SettingsInvalid, match=f"{variable} lies inside ISTHMUS_HOME"):
            read_settings({"HOME": "/nowhere", "ISTHMUS_HOME": str(tmp_path / "data"), variable: str(tmp_path / way)})


@pytest.mark.parametrize("text", ["0", "65536", "x", "-1", "80.0", "8७"])
def test_a_port_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(SettingsInvalid, match="from 1 to 65535, for example 8700"):
        read_settings({"HOME": "/h", "ISTHMUS_PORT": text})


@pytest.mark.parametrize("text", ["yes", "true", "2"])
def test_a_switch_is_one_or_zero_and_nothing_else(text):
    with pytest.raises(SettingsInvalid, match="neither 1 nor 0"):
        read_settings({"HOME": "/h", "ISTHMUS_ALLOW_LOOPBACK_HTTP": text})


def test_empty_variables_count_as_not_set(tmp_path):
    settings = read_settings({"HOME": str(tmp_path), "ISTHMUS_PORT": "", "ISTHMUS_DATABASE_URL": ""})
    assert settings.port == 8700
    assert settings.database_url is None
