"""Which DLLs of staged folders have to be copied for a module to load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dllwhy import windows
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment
from dllwhy.loader import startup
from dllwhy.resolution import Loaded, Resolution, Search, brought_in, delayed, load
from dllwhy.search import Rule, search_order
from dllwhy.windows import dll_name


def needed_from(
    module: Path,
    search: Sequence[Path],
    environment: Environment,
    *,
    destination: Path | None = None,
) -> list[Path]:
    """Return the files that must be copied for `module` to load: the transitive closure.

    What the environment provides by itself is not copied. The answer is the same before and
    after the copying: what lies in `destination` already is taken only where `search` lacks it.

    Args:
        search: the staged folders to take DLLs from, in order.
        destination: the folder to copy to; by default the module's own.

    Returns:
        Files in `search`, in load order, each once; delay-loaded ones are included where they
        are to be had.

    Raises:
        DiagnosisError: an import is neither in the environment nor in `search`.
    """
    own = {module.parent, destination or module.parent}
    order = search_order(module.parent, environment)
    places = (
        *(place for place in order if place[1] not in own),
        *((Rule.STAGED, folder) for folder in search),
        *((Rule.MODULE_FOLDER, folder) for folder in own),
    )
    rules = Search(places, environment)
    state = startup(environment)
    resolutions = list(load(module, rules, state))
    importers = [module, *brought_in(resolutions)]
    for importer in importers:  # grows meanwhile
        for later in delayed(importer, rules, state):
            resolutions.append(later)
            if later.rule is Rule.STAGED and later.found:
                state[dll_name(later.name)] = Loaded(later.found, importer.name)
                more = list(load(later.found, rules, state))
                resolutions += more
                importers += [later.found, *brought_in(more)]
    missing = [r for r in resolutions if r.rule is Rule.MISSING and not r.delay]
    if missing:
        raise DiagnosisError(_explain_needed(missing, search, environment))
    staged = (r.found for r in resolutions if r.rule is Rule.STAGED and r.found)
    return list(dict.fromkeys(staged))


def _explain_needed(
    missing: Sequence[Resolution], search: Sequence[Path], environment: Environment
) -> str:
    first = missing[0]
    provider = windows.provider(first.name, environment.windows, environment.machine)
    others = sorted({dll_name(r.name) for r in missing[1:]} - {dll_name(first.name)})
    return (
        f"{first.name}, which {first.importer.name} needs, is neither in the Python environment "
        f"{environment.root} nor in {', '.join(map(str, search)) or 'any staged folder'}"
        + (f" ({first.problem})" if first.problem else "")
        + (f"; missing too: {', '.join(others)}" if others else "")
        + (f". It is {provider.what}: {provider.remedy}." if provider else ".")
    )
