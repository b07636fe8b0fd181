#!/bin/sh
# `nvidia-smi -L`, as it answers in a container with a card, and in one that has lost it: from when
# on there is a /tmp/nvml-lost.
if [ -e /tmp/nvml-lost ]; then
    echo "Failed to initialize NVML: Unknown Error"
    exit 255
fi
echo "GPU 0: NVIDIA L4 (UUID: GPU-1d2e3f40-5a6b-7c8d-9e0f-112233445566)"
