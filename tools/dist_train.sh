#!/usr/bin/env bash
# Train on several GPUs (or CPU processes) of one machine: tools/dist_train.sh CONFIG NUM_PROCESSES [options of train.py]
# Several machines: NNODES, NODE_RANK, MASTER_ADDR, PORT.
set -euo pipefail
if [ $# -lt 2 ]; then echo "usage: $0 CONFIG NUM_PROCESSES [options of train.py]" >&2; exit 2; fi
CONFIG=$1
NUM=$2
exec "${PYTHON:-python}" -m torch.distributed.run --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" --nproc_per_node="$NUM" \
  "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
