"""Runs notebooks unattended: execute.py OUT NOTEBOOK... prints one JSON line {"name", "seconds", "result"} for each.

OUT gets each figure as PNG and the executed notebook. A cell that fails ends it all with its traceback.
"""

import base64
import json
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

CELL_TIMEOUT_S = 120


def main(out: Path, notebooks: list[Path]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell("import json\nprint(json.dumps(result))"))
        began = time.monotonic()
        NotebookClient(
            notebook, timeout=CELL_TIMEOUT_S, resources={"metadata": {"path": str(path.parent)}}
        ).execute()
        result = json.loads(notebook.cells.pop().outputs[0].text)
        outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
        figures = [o.data["image/png"] for o in outputs if "image/png" in o.get("data", {})]
        for n, figure in enumerate(figures, 1):
            (out / f"{path.stem}-{n}.png").write_bytes(base64.b64decode(figure))
        nbformat.write(notebook, out / path.name)
        line = {"name": path.stem, "seconds": round(time.monotonic() - began, 1), "figures": len(figures)}
        print(json.dumps({**line, "result": result}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(p) for p in sys.argv[2:]])
