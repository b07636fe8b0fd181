"""A container rendered as a Compose project."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from deployers.docker.compose.driving import refusal
from deployers.docker.compose.project import project, rendered, volumes
from deployers.docker.container import SERVICE, Container
from deployers.docker.shelf import Mount

PLAIN = Container(
    name="tiny-3fa9c1-0",
    image="sha256:beef",
    command=(),
    port=8080,
    publish=("127.0.0.1", 0),
    labels={SERVICE: "tiny"},
)
FULL = replace(
    PLAIN,
    image="example.org/llama@sha256:beef",
    command=("--model", "/models/it's $5.gguf", "--threads", "4"),
    publish=("10.0.0.5", 9000),
    labels={SERVICE: "tiny", "gantry.made-of": '[["image", "a$b"]]'},
    environment={"HF_TOKEN": "hf_$ecret${X}$$", "FLAG": "no", "NUMBER": "1e3", "LINES": "a\nb\tü"},
    mounts=(
        Mount("volume", "gantry-models", "/models"),
        Mount("bind", "/srv/models", "/host-models", read_only=True),
    ),
    gpus=-1,
    shared_memory=1 << 30,
)


def test_a_container_is_one_service_of_a_project_of_its_own():
    assert (
        rendered(PLAIN)
        == """\
name: "tiny-3fa9c1-0"
services:
  tiny:
    image: "sha256:beef"
    container_name: "tiny-3fa9c1-0"
    labels:
      gantry.service: "tiny"
    network_mode: bridge
    ports:
    - target: 8080
      host_ip: "127.0.0.1"
      protocol: tcp
    restart: "no"
    security_opt:
    - no-new-privileges
    logging:
      driver: json-file
      options:
        max-size: "64m"
        max-file: "2"
"""
    )


def test_everything_a_container_can_have_is_in_its_project():
    assert (
        rendered(FULL)
        == r"""name: "tiny-3fa9c1-0"
services:
  tiny:
    image: "example.org/llama@sha256:beef"
    container_name: "tiny-3fa9c1-0"
    command:
    - "--model"
    - "/models/it's $$5.gguf"
    - "--threads"
    - "4"
    environment:
      HF_TOKEN: "hf_$$ecret$${X}$$$$"
      FLAG: "no"
      NUMBER: "1e3"
      LINES: "a\nb\tü"
    labels:
      gantry.service: "tiny"
      gantry.made-of: "[[\"image\", \"a$$b\"]]"
    network_mode: bridge
    ports:
    - target: 8080
      host_ip: "10.0.0.5"
      protocol: tcp
      published: "9000"
    volumes:
    - type: volume
      source: "gantry-models"
      target: "/models"
    - type: bind
      source: "/srv/models"
      target: "/host-models"
      read_only: true
      bind:
        create_host_path: false
    restart: "no"
    shm_size: 1073741824
    security_opt:
    - no-new-privileges
    logging:
      driver: json-file
      options:
        max-size: "64m"
        max-file: "2"
    deploy:
      resources:
        reservations:
          devices:
          - count: all
            capabilities:
            - gpu
volumes:
  "gantry-models":
    name: "gantry-models"
    external: true
"""
    )


def test_so_many_cards_are_asked_for_as_were_wanted():
    made = project(replace(PLAIN, gpus=2))

    [device] = made["services"]["tiny"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"count": 2, "capabilities": ["gpu"]}


def test_cards_with_names_are_asked_for_by_them():
    made = project(replace(PLAIN, gpus=-1, devices=("nvidia.com/gpu=all",)))

    [device] = made["services"]["tiny"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {
        "driver": "cdi",
        "device_ids": ["nvidia.com/gpu=all"],
        "capabilities": ["gpu"],
    }


def test_what_is_written_is_read_back_as_it_was_meant():
    assert yaml.safe_load(rendered(FULL)) == project(FULL)


def test_only_named_volumes_have_to_be_there_before():
    assert volumes(FULL) == ["gantry-models"]
    assert volumes(PLAIN) == []


NEWS = " Container tiny-3fa9c1-0  Creating\n"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (
            NEWS + 'Error response from daemon: could not select device driver "" with '
            "capabilities: [[gpu]]\n\n",
            500,
            'could not select device driver "" with capabilities: [[gpu]]',
        ),
        (
            NEWS + 'Error response from daemon: Conflict. The container name "/x" is already in '
            'use by container "c6bb".\n',
            409,
            'Conflict. The container name "/x" is already in use by container "c6bb".',
        ),
        ('time="2026" level=warning msg="x"\nno such image\n', 500, "no such image"),
        ("", 500, "docker compose says nothing"),
    ],
)
def test_a_no_of_the_engine_is_told_in_its_own_words(text, kind, said):
    answer = refusal(text)

    assert (answer.status, str(answer)) == (kind, said)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
            ConnectionRefusedError,
        ),
        (
            'error during connect: Get "http://x/v1.45/containers/json": EOF',
            ConnectionResetError,
        ),
    ],
)
def test_an_engine_that_is_not_there_is_no_answer_of_it(text, kind):
    assert type(refusal(NEWS + text)) is kind
