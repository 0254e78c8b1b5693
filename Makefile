# What there is to make. Everything is built in .venv; nothing outside it is touched, but for `system` (Debian packages).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= ../shared/data
WORK   ?= work
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check bench docs model system clean

demo: $(VENV)/.demo  ## speech -> face: animate the shipped sample into demo/
	$(BIN)/voxface demo -o demo

test: check system  ## check, then the whole suite
	$(BIN)/python -m pytest -q

check: $(VENV)/.all  ## lint and types
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/ruff format --check --quiet src tests benchmarks tools
	$(BIN)/mypy

bench: $(VENV)/.all system  ## every benchmark, one after the other
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/animate.py
	$(BIN)/python benchmarks/resample.py
	$(BIN)/python benchmarks/voice.py --data $(DATA)
	$(BIN)/python benchmarks/robustness.py --data $(DATA)
	$(BIN)/python benchmarks/capture.py --face-model $(DATA)/face_landmarker.task $(DATA)/wild_dev/tv_a.mp4 $(DATA)/wild_dev/talk_a.mp4

docs: $(VENV)/.all  ## regenerate docs/cli.md and say whether it changed
	$(BIN)/python tools/write_cli_docs.py docs/cli.md
	git diff --exit-code --stat docs

# The shipped model from nothing: capture, dataset, train, export, evaluate. About 40 minutes on 2 cores; each step
# resumes where it was stopped.
model: $(VENV)/.all system
	$(BIN)/voxface capture $(DATA)/grid_s1 -o $(WORK)/captures/grid_s1 --face-model $(DATA)/face_landmarker.task
	$(BIN)/voxface capture $(DATA)/grid_dev -o $(WORK)/captures/grid_dev --face-model $(DATA)/face_landmarker.task
	$(BIN)/voxface capture $(DATA)/wild_dev -o $(WORK)/captures/wild_dev --face-model $(DATA)/face_landmarker.task
	$(BIN)/voxface dataset $(WORK)/captures/grid_s1 -o $(WORK)/datasets/grid_s1 --speaker s1 --split sha256:900,50
	$(BIN)/voxface dataset $(WORK)/captures/grid_dev -o $(WORK)/datasets/grid_dev --speaker-from stem --split all:test
	$(BIN)/voxface dataset $(WORK)/captures/wild_dev -o $(WORK)/datasets/wild_dev --speaker-from stem --split all:test
	$(BIN)/voxface train $(WORK)/datasets/grid_s1 -o $(WORK)/runs/first --recipe first --resume
	$(BIN)/voxface model export $(WORK)/runs/first -o $(WORK)/default.voxface --name default
	$(BIN)/voxface evaluate --bundle $(WORK)/default.voxface --dataset $(WORK)/datasets/grid_s1 \
	  --also grid_dev=$(WORK)/datasets/grid_dev --also wild_dev=$(WORK)/datasets/wild_dev \
	  --words $(DATA)/grid_words.tsv -o $(WORK)/evaluation
	$(BIN)/voxface model export $(WORK)/runs/first -o src/voxface/bundles/default.voxface --name default \
	  --licence 'CC BY 4.0 (from memory): GRID audiovisual sentence corpus, Cooke, Barker, Cunningham, Shao 2006' \
	  --evaluation $(WORK)/evaluation/report.json

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[plot]'
	@touch $@

# torch first and pinned: a plain `torch` would take a build for GPUs.
$(VENV)/.all: pyproject.toml | $(VENV)/bin/python
	$(PIP) torch==2.13.0
	$(PIP) -e '.[plot,capture,train,dev]'
	@touch $@

system:  ## Debian packages that MediaPipe's library needs
	@sh tools/system-packages.sh

clean:
	rm -rf $(VENV) demo build .pytest_cache .mypy_cache .ruff_cache
