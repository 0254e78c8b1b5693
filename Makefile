# What there is to make. Everything is built in .venv; nothing outside it is touched, but for `system` (Debian packages).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= ../shared/data
WORK   ?= work
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check bench docs model page a2f system clean container-steps

demo: $(VENV)/.demo  ## speech -> face: the shipped sample as a film and as curves in demo/, then in the browser
	@mkdir -p demo
	$(BIN)/voxface render src/voxface/samples/hello.flac -o demo/hello.mp4
	$(BIN)/voxface demo -o demo

test: check system web/node_modules/.package-lock.json  ## check, then the whole suite, on two cores
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.all  ## lint and types
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/ruff format --check --quiet src tests benchmarks tools
	$(BIN)/mypy

bench: $(VENV)/.all system  ## every benchmark, one after the other
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/animate.py
	$(BIN)/python benchmarks/resample.py
	$(BIN)/python -m benchmarks.neurosync --data $(DATA)
	$(BIN)/python benchmarks/voice.py --data $(DATA)
	$(BIN)/python benchmarks/robustness.py --data $(DATA)
	$(BIN)/python benchmarks/quality.py --data $(DATA) --work $(WORK)/datasets
	$(BIN)/python benchmarks/render.py
	$(BIN)/python benchmarks/emotion.py --data $(DATA)
	$(BIN)/python -m benchmarks.viewer
	$(BIN)/python benchmarks/tracker.py
	$(BIN)/python benchmarks/kill_sweep.py
	$(BIN)/python -m benchmarks.ray_nodes
	$(BIN)/python -m benchmarks.live_verb --sound $(DATA)/speech/jfk.flac
	$(BIN)/python benchmarks/live.py
	$(BIN)/python -m benchmarks.live_server
	$(BIN)/python benchmarks/capture.py --face-model $(DATA)/face_landmarker.task $(DATA)/wild_dev/tv_a.mp4 $(DATA)/wild_dev/talk_a.mp4

docs: $(VENV)/.all  ## regenerate docs/cli.md and what the page takes from render/, and say whether they changed
	$(BIN)/python tools/write_cli_docs.py docs/cli.md
	$(BIN)/python tools/viewer_presets.py
	git diff --exit-code --stat docs web/src/stage

page: web/node_modules/.package-lock.json  ## build the viewer's page into the package
	cd web && npm run --silent build

a2f: $(VENV)/.all  ## compile a2f.proto into what voxface reads
	$(BIN)/python -m grpc_tools.protoc -I src/voxface/a2f --include_imports --descriptor_set_out=src/voxface/a2f/a2f.binpb a2f.proto

# What the page is built and tried with; never needed to run voxface.
web/node_modules/.package-lock.json: web/package-lock.json
	@cd web && npm ci --silent --no-audit --no-fund >/dev/null 2>&1 || echo "SKIPPED: tests of the viewer's page: npm ci failed in web/"

# The shipped models from nothing: capture, synthesis, alignment, two joint nets, their student, evaluation.
# docs/model.md says how long each took; every step goes on where it was stopped.
VOXFACE := $(BIN)/voxface
SETS    := $(WORK)/datasets
LICENCES := --licence 'CC BY 4.0 (from memory): GRID audiovisual sentence corpus, Cooke, Barker, Cunningham, Shao 2006' \
  --licence 'output of flite, festival and espeak-ng voices (free voice data; programs not shipped)' \
  --licence 'WordNet 3.0 licence: example sentences'
EMODB := --licence 'free to use (from memory): Berlin Database of Emotional Speech, Burkhardt et al. 2005'
MATERIAL := $(SETS)/grid_s1 $(SETS)/synth
model: $(VENV)/.all
	@sh tools/system-packages.sh model
	for set in grid_s1 grid_dev wild_dev; do \
	  $(VOXFACE) capture $(DATA)/$$set -o $(WORK)/captures/$$set --face-model $(DATA)/face_landmarker.task || exit 1; done
	$(VOXFACE) dataset $(WORK)/captures/grid_s1 -o $(SETS)/grid_s1 --speaker s1 --split sha256:900,50
	$(VOXFACE) dataset $(WORK)/captures/grid_dev -o $(SETS)/grid_dev --speaker-from stem --split all:test
	$(VOXFACE) dataset $(WORK)/captures/wild_dev -o $(SETS)/wild_dev --speaker-from stem --split all:test
	$(VOXFACE) synth -o $(SETS)/synth --minutes 300
	$(VOXFACE) synth -o $(SETS)/ked --voices ked --minutes 6 --split all:test
	$(VOXFACE) synth -o $(SETS)/ru --voices msu_ru_nsh --minutes 4 --split all:test
	$(VOXFACE) articulation align $(SETS)/grid_s1 --words $(DATA)/grid_words.tsv -o $(SETS)/grid_s1_phones.tsv
	for seed in 1 2; do \
	  $(VOXFACE) train $(MATERIAL) --phones $(SETS)/grid_s1_phones.tsv -o $(WORK)/runs/joint$$seed --recipe joint \
	    --seed $$seed --resume || exit 1; done
	$(VOXFACE) model export $(WORK)/runs/joint1 $(WORK)/runs/joint2 -o $(WORK)/default.voxface
	$(VOXFACE) train $(MATERIAL) --sound $(DATA)/emodb --rest-minutes 20 --teacher $(WORK)/default.voxface \
	  -o $(WORK)/runs/live --recipe live --resume
	$(VOXFACE) model export $(WORK)/runs/live -o $(WORK)/live.voxface
	$(VOXFACE) train $(MATERIAL) --sound $(DATA)/emodb -o $(WORK)/runs/emotion --recipe emotion --resume
	for folder in $(WORK) src/voxface/bundles; do \
	  $(VOXFACE) model export $(WORK)/runs/emotion -o $$folder/emotion.voxface $(LICENCES) $(EMODB) || exit 1; done
	$(VOXFACE) train $(MATERIAL) --sound $(DATA)/emodb --rest-minutes 20 --teacher $(WORK)/default.voxface \
	  --teacher $(WORK)/emotion.voxface -o $(WORK)/runs/neurosync-small --recipe neurosync-small --resume
	$(VOXFACE) model export $(WORK)/runs/neurosync-small -o $(WORK)/neurosync-small.voxface
	for name in default live neurosync-small; do \
	  $(VOXFACE) evaluate --bundle $(WORK)/$$name.voxface --dataset $(SETS)/grid_s1 --also grid_dev=$(SETS)/grid_dev \
	    --also wild_dev=$(SETS)/wild_dev --also ked=$(SETS)/ked --also ru=$(SETS)/ru --words $(DATA)/grid_words.tsv \
	    --robust -o $(WORK)/evaluation/$$name || exit 1; done
	$(VOXFACE) model export $(WORK)/runs/joint1 $(WORK)/runs/joint2 -o src/voxface/bundles/default.voxface $(LICENCES) \
	  --evaluation $(WORK)/evaluation/default/report.json
	$(VOXFACE) model export $(WORK)/runs/live -o src/voxface/bundles/live.voxface $(LICENCES) $(EMODB) \
	  --evaluation $(WORK)/evaluation/live/report.json
	$(VOXFACE) model export $(WORK)/runs/neurosync-small -o src/voxface/bundles/neurosync-small.voxface $(LICENCES) \
	  $(EMODB) --evaluation $(WORK)/evaluation/neurosync-small/report.json

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[plot,render]'
	@touch $@

# torch first and pinned: a plain `torch` would take a build for GPUs. MediaPipe, Ray and a local S3 server are there for
# comparison and for many machines; where they cannot be had, their tests skip themselves by name.
$(VENV)/.all: pyproject.toml | $(VENV)/bin/python
	$(PIP) torch==2.13.0
	$(PIP) -e '.[plot,render,capture,train,serve,dev]'
	@for need in '-e .[mediapipe]' '-e .[ray]' 'moto[server] s3fs'; do \
	  $(PIP) $$need || echo "SKIPPED: tests that need $$need"; done
	@touch $@

container-steps:  ## the steps of the Containerfile, in a fresh environment
	@folder=$$(mktemp -d) && sh tools/container-install.sh $$folder; code=$$?; rm -rf $$folder; exit $$code

system:  ## Debian packages that MediaPipe's library, speech engines, OpenGL and the tests of the page need
	@sh tools/system-packages.sh

clean:
	rm -rf $(VENV) demo build web/node_modules .pytest_cache .mypy_cache .ruff_cache
