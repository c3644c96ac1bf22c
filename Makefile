# What people do with a clone. `.ci/setup` does the installing, here as in continuous integration.

.PHONY: setup run test figures

setup:  ## install everything on Debian or Ubuntu
	bash .ci/setup

run:  ## open the app
	.venv/bin/kanatui

test:  ## install what the tests need, and run them
	bash .ci/setup dev
	.venv/bin/pytest

figures:  ## measure README's table of results, on a quiet machine: make figures DIR=folder, of drawings LABEL/WRITER.png
	@test -d "$(DIR)" || { echo "make figures: name a folder of drawings, LABEL/WRITER.png, as DIR=folder"; exit 2; }
	mkdir -p build
	cd "$(DIR)/.." && "$(CURDIR)/.venv/bin/kanatui" bench all --images "$(notdir $(DIR:/=))" --json > "$(CURDIR)/build/results.json"
	.venv/bin/python docs/make_results.py build/results.json
