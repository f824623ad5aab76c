"""The console command: ``mmwsss train CONFIG`` is ``python tools/train.py CONFIG``."""

import ast
import os
import sys
import textwrap
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from mmwsss.utils.cli import run_main
from mmwsss.utils.package_files import package_root
from mmwsss.version import __version__

COMMANDS = dict(
    train='train.py',
    test='test.py',
    cams='generate_cams.py',
    refine='refine_cams.py',
    evaluate='evaluate_masks.py',
    pipeline='run_pipeline.py',
    grid='run_grid.py',
    demo='demo.py',
    photos='photos.py',
    predict='predict.py',
    check='misc/check_setup.py',
    threshold='suggest_threshold.py',
    audit='analysis_tools/audit_tags.py',
    compare='analysis_tools/compare_runs.py',
    export='export_masks.py',
    **{'import': 'import_masks.py'},
    tags='dataset_converters/image_tags.py',
    toy='dataset_converters/toy_shapes.py',
    config='misc/print_config.py',
    **{'collect-env': 'misc/collect_env.py'},
    benchmark='analysis_tools/benchmark.py',
)
COMPLETIONS = dict(
    bash="""_mmwsss() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}"
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _mmwsss mmwsss
""",
    zsh="""#compdef mmwsss
_mmwsss() {{
    if (( CURRENT == 2 )); then
        compadd -- {commands}
    else
        _files
    fi
}}
compdef _mmwsss mmwsss
""",
)


def available() -> dict[str, Path]:
    """Commands and their tools, some of which need a checkout."""
    root = package_root()
    files = {name: root / 'tools' / tool for name, tool in COMMANDS.items()}
    return {
        name: file
        for name, file in files.items()
        if file.is_file() and (name != 'benchmark' or (root / 'benchmarks').is_dir())
    }


def others() -> dict[str, Path]:
    """Tools without a command, by the names of their files."""
    folder = package_root() / 'tools'
    files = {path.stem: path for path in sorted(folder.rglob('*.py'))}
    short = {Path(tool).stem for tool in COMMANDS.values()}
    return {name: path for name, path in files.items() if name not in short}


def summary(tool: Path) -> str:
    """First sentence of the docstring of a tool, which is neither imported nor run."""
    text = ast.get_docstring(ast.parse(tool.read_text(encoding='utf-8'))) or ''
    return ' '.join(text.split('\n\n')[0].split()).split('; ')[0].split(': ``')[0].rstrip('.')


def usage(commands: dict[str, Path]) -> str:
    """The help text."""
    width = max(map(len, commands))
    lines = [f'  {name:<{width}}  {summary(tool)}' for name, tool in commands.items()]
    return '\n'.join(
        [
            'usage: mmwsss COMMAND [ARGUMENTS]',
            '',
            'From image tags to semantic segmentation. Commands:',
            *lines,
            '',
            'Other tools, by the names of their files:',
            *textwrap.wrap(', '.join(others()), 78, initial_indent='  ', subsequent_indent='  '),
            '',
            'mmwsss COMMAND --help tells the arguments of a command.',
            'eval "$(mmwsss completion bash)" turns on tab completion (or zsh).',
        ]
    )


def load_tool(path: Path) -> ModuleType:
    """Module of a tool. Worker processes import its functions by its name, so the module is
    registered and its folder is added to the path, as if the file had been started.
    """
    sys.path.insert(0, str(path.parent))
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f'{path}: not a module')
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the tools, by its command or the name of its file.

    Returns:
        int: Its exit code; 2 for an unknown command.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    commands = available()
    if not words or words[0] in ('-h', '--help', 'help'):
        sys.stdout.write(usage(commands) + '\n')
        return 0 if words else 2
    if words[0] in ('-V', '--version'):
        sys.stdout.write(f'mmwsss {__version__}\n')
        return 0
    if words[0] == 'completion':
        shell = words[1] if len(words) > 1 else Path(os.environ.get('SHELL', 'bash')).name
        if shell not in COMPLETIONS:
            sys.stderr.write(f'error: {shell}: completion is written for bash and zsh\n')
            return 2
        sys.stdout.write(COMPLETIONS[shell].format(commands=' '.join(commands)))
        return 0
    name, *arguments = words
    tools = {**others(), **commands}
    if name not in tools:
        import difflib

        close = difflib.get_close_matches(name, tools, n=1)
        hint = f'did you mean {close[0]}?' if close else f'choose from {", ".join(commands)}'
        if name in COMMANDS:
            hint = 'it needs a checkout of the repository'
        sys.stderr.write(f'error: mmwsss has no command {name!r}; {hint}\n')
        return 2
    sys.argv[:] = [f'mmwsss {name}', *arguments]
    try:
        return run_main(load_tool(tools[name]).main)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)


if __name__ == '__main__':
    sys.exit(main())
