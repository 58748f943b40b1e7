"""Two runs of the same code look the same after scrubbing, whatever the checkout is called."""

from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook, new_output

from echotas.pipeline.scrub import raw_notebook, scrubbed, stderr_lines


def executed(root: str, number: int) -> tuple:
    """An executed notebook as run `number` in checkout `root` leaves it."""
    split = 2 + number
    text = f"object at 0x7f{number}0aa00bb\nfrom {root}/lib/a.py\n"
    outputs = [
        new_output("stream", text=text[:split]),
        new_output("stream", name="stderr", text=f"{root}/lib/a.py:3: RuntimeWarning: invalid value\n"),
        new_output("stream", text=text[split:]),
        new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": str(number)}}),
        new_output(
            "execute_result",
            {"text/html": f"<style>#T_{number}beef_row0</style><table id='T_{number}beef'>", "image/png": "AAAA"},
            execution_count=1,
        ),
        new_output(
            "error",
            ename="E",
            evalue="e",
            traceback=[f"File /tmp/ipykernel_{number}/{number}.py:1", f"File {root}/lib/a.py"],
        ),
    ]
    metadata = {
        "tags": ["raises-exception"],
        "papermill": {"duration": number},
        "execution": {"iopub.status.busy": str(number)},
    }
    cell = new_code_cell("f()", id="a", outputs=outputs, metadata=metadata, execution_count=1)
    injected = new_code_cell("seed = 1", id=f"random{number}", metadata={"tags": ["injected-parameters"]})
    widgets = {
        "papermill": {"start_time": number},
        "widgets": {str(number): {}},
        "language_info": {"name": "python", "version": str(number)},
    }
    return new_notebook(cells=[injected, cell], metadata=widgets), Path(root)


def test_two_runs_in_two_checkouts_look_the_same():
    first, second = scrubbed(*executed("/somewhere/one", 1)), scrubbed(*executed("/elsewhere/two", 2))
    assert first == second
    text = "".join(output.text for output in first.cells[1].outputs if output.output_type == "stream")
    assert text == "object at 0x...\nfrom lib/a.py\n"
    assert first.cells[1].metadata == {"tags": ["raises-exception"]}


def test_figures_and_results_stay():
    data = [output.data for output in scrubbed(*executed("/r", 1)).cells[1].outputs if "data" in output]
    assert len(data) == 1
    assert data[0]["image/png"] == "AAAA"
    assert data[0]["text/html"] == "<style>#T_00000_row0</style><table id='T_00000'>"


def test_warnings_go_to_the_log_but_not_to_the_report():
    notebook, root = executed("/r", 1)
    assert stderr_lines(notebook) == ["/r/lib/a.py:3: RuntimeWarning: invalid value"]
    assert "RuntimeWarning" not in str(scrubbed(notebook, root))


def test_raw_notebook_depends_on_code_alone():
    notebook, root = executed("/r", 1)
    notebook.cells.append(new_code_cell("1", id="docs", metadata={"tags": ["docs"]}))
    notebook.cells.append(new_code_cell("  \n", id="empty"))
    assert [cell.id for cell in raw_notebook(scrubbed(notebook, root)).cells] == ["injected-parameters", "a"]
