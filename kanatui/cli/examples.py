"""The command `help`, and the examples that it and `--help` show for each command."""

from __future__ import annotations

import click

from kanatui.core.errors import UsageError

EXAMPLES: dict[str, tuple[str, ...]] = {
    "quickstart": ("quickstart",),
    "recipes": ("recipes",),
    "recipes show": ("recipes show handwriting", "recipes show quick --set rotate.degrees=-12..12 --json"),
    "recipes save": ("recipes save mine --recipe handwriting --image-size 48 --without noise",),
    "preview": ("preview quick", "preview handwriting --with blur@1 --count 100 --png sheet.png"),
    "generate": ("generate article --dry-run", "generate quick --name small -c hiragana -n 100"),
    "import": ("import pictures --name mine", "import ETL9G --name etl9g"),
    "export": ("export dataset small npz",),
    "export dataset": ("export dataset small parquet -o small-parquet",),
    "export model": ("export model latest onnx --int8", "export model default folder -o reader"),
    "export web": ("export web latest page --runtime onnxruntime-web-1.27.0.tgz",),
    "report": ("report latest -o report.html --figures figures",),
    "datasets": ("datasets", "datasets --delete small"),
    "train": (
        "train handwriting --minutes 20 --detach",
        "train --data small --epochs 3 --model article_cnn",
        "train --resume latest",
    ),
    "runs": ("runs", "runs --rename 3 'wide net'", "runs --note latest 'twice the dropout'"),
    "runs plot": ("runs plot 3 4 -o curves.svg --chart scores",),
    "runs diff": ("runs diff 3 4",),
    "attach": ("attach", "attach 3"),
    "stop": ("stop 3 --after-epoch",),
    "pause": ("pause latest",),
    "resume": ("resume latest",),
    "sheet": ("sheet make -o sheet.pdf",),
    "sheet make": ("sheet make -c hiragana --copies 2 -o sheet.pdf",),
    "sheet read": ("sheet read photo.jpg",),
    "adapt": ("adapt", "adapt latest --samples pictures --minutes 3"),
    "evaluate": ("evaluate latest", "evaluate default --images pictures --characters hiragana --json"),
    "recognize": ("recognize picture.png", "recognize *.png --model latest -c katakana --top 3"),
    "read": ("read page.jpg", "read page.jpg --direction vertical --json"),
    "models": ("models",),
    "models show": ("models show default",),
    "models calibrate": ("models calibrate latest",),
    "models export": ("models export latest mine.safetensors",),
    "ablate": ("ablate quick --variant 'wide: --model-set width=48' --seeds 3",),
    "plugins": ("plugins", "plugins --failed"),
    "plugins trust": ("plugins trust ~/plugins/shade.py",),
    "plugins distrust": ("plugins distrust ~/plugins/shade.py",),
    "plugins new": ("plugins new augmentation shade", "plugins new model my_net --package --dir ~/code"),
    "plugins guide": ("plugins guide",),
    "plugins check": ("plugins check shade.py", "plugins check blur noise --json"),
    "fonts": ("fonts", "fonts -c joyo"),
    "fonts add": ("fonts add ~/Downloads/font.zip --style brush",),
    "fonts remove": ("fonts remove my-font-regular",),
    "doctor": ("doctor", "doctor --json"),
    "bench": ("bench render",),
    "soak": ("soak --minutes 20 --seed 7",),
    "completion": ('completion bash  # in ~/.bashrc: eval "$(kanatui completion bash)"',),
    "help": ("help train", "help runs plot"),
}
"""By command, without `kanatui`."""

EXIT_CODES = """\
Exit status: 0 if all went well, 1 if a file, the machine or a state is at fault, 2 if the command line is,
130 after Ctrl-C."""


def epilog(path: str) -> str:
    """Return what `--help` says below the options of a command."""
    lines = "\n".join(f"  kanatui {line}" for line in EXAMPLES.get(path, ()))
    return f"\b\nExamples:\n{lines}" if lines else ""


@click.command("help")
@click.argument("names", nargs=-1, metavar="[COMMAND]…")
@click.pass_context
def help_command(context: click.Context, names: tuple[str, ...]) -> None:
    """Show what a command does, its options, and examples."""
    inner = context.find_root()
    for place, name in enumerate(names):
        group = inner.command
        command = group.get_command(inner, name) if isinstance(group, click.Group) else None
        if command is None:
            raise UsageError(f"no command {' '.join(names[: place + 1])!r}; kanatui help lists them")
        inner = click.Context(command, info_name=name, parent=inner)
    click.echo(inner.get_help())
