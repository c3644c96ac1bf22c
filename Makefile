# What people do with a clone. `.ci/setup` does the installing, here as in continuous integration.

.PHONY: setup run test

setup:  ## install everything on Debian or Ubuntu
	bash .ci/setup

run:  ## open the app
	.venv/bin/kanatui

test:  ## install what the tests need, and run them
	bash .ci/setup dev
	.venv/bin/pytest
