"""The engine in trouble: each ends as a plain message in the window, and the next job works."""

from __future__ import annotations

import os
import signal
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer.engine.client import Phase
from explorer.ui.driver import Driver
from explorer.ui.widgets import ElidedLabel
from tests.engine.processes import kill_workers, worker_pids


def start_long_training(driver: Driver) -> None:
    driver.enter("lab.epochs", 5000)
    driver.click("lab.train")
    progress = driver.window.lab.training.progress
    driver.until(lambda: progress.value() > 0, "the training to begin")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to name")
def test_a_worker_killed_in_training_is_told_and_the_next_training_works(driver: Driver) -> None:
    start_long_training(driver)
    pid = driver.window.engine.state.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    notice = driver.notice()
    assert notice.title == "The model was not trained"
    assert "SIGKILL" in notice.text
    driver.until(lambda: not driver.window.lab.busy, "the page to be free again")
    driver.click("lab.reset")
    model = driver.train()
    assert model.trained.steps == 160
    assert driver.window.engine.state.pid != pid


def test_a_cancelled_training_leaves_the_page_ready(driver: Driver) -> None:
    start_long_training(driver)
    driver.click("lab.cancel")
    driver.until(lambda: not driver.window.lab.busy, "the training to end")
    assert driver.window.session.models == []
    assert driver.window.lab.training.progress_text.full_text() == "Cancelled"
    assert driver.window.notice() is None
    driver.click("lab.reset")
    assert driver.train().trained.steps == 160


def test_models_survive_the_worker_that_trained_them(driver: Driver) -> None:
    driver.train()
    driver.save("keras_archive")
    pid = driver.window.engine.state.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    driver.until(lambda: driver.window.engine.state.pid not in (pid, None), "another worker")
    driver.engine_ready()
    driver.click("nav.predict")
    assert driver.run()
    card = driver.window.predict.agreement
    driver.until(lambda: card.agreements(), "the comparison")
    assert card.agreements()["functional · Keras 3"].difference == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_a_cancel_before_a_second_worker_is_ready_says_why_it_takes_a_while(
    driver: Driver, new_driver: Callable[[], Driver]
) -> None:
    mine = new_driver()
    mine.engine_ready()
    start_long_training(mine)
    pid = mine.window.engine.state.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    mine.click("lab.cancel")
    mine.until(lambda: not mine.window.lab.busy, "the training to end")
    status = mine.find(ElidedLabel, "status.engine")
    assert status.full_text() == (
        "Engine starting again: TensorFlow is being imported · no second worker was ready"
    )
    assert "The last job was cancelled before a second worker was ready" in status.toolTip()
    mine.engine_ready()
    assert status.full_text().startswith("Engine ready · TensorFlow")


def saved_archive(driver: Driver, name: str) -> Path:
    driver.click("nav.lab")
    driver.click("save.method.keras_archive")
    driver.enter("save.target", name)
    driver.click("save.run")
    driver.until(lambda: driver.window.page() == "browse", "the artifact")
    return driver.window.session.places.workspace / name


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_an_engine_that_died_while_starting_works_again_with_the_next_job(
    driver: Driver, new_driver: Callable[[], Driver]
) -> None:
    others = worker_pids()
    mine = new_driver()
    mine.engine_ready()
    model = mine.train()
    pids: set[int] = set()

    def is_broken() -> bool:
        pids.update(kill_workers(others))
        return mine.window.engine.state.phase is Phase.BROKEN

    mine.until(is_broken, "the engine to give up")
    assert len(pids) >= 4
    told = mine.find(ElidedLabel, "status.engine").full_text()
    assert told == "Engine does not start · signal SIGKILL · the next job starts it again"
    path = saved_archive(mine, "after.keras")
    assert zipfile.is_zipfile(path)
    mine.click("nav.lab")
    assert mine.train().trained.metrics == model.trained.metrics


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_a_job_for_which_no_worker_starts_is_told_the_truth(
    driver: Driver, new_driver: Callable[[], Driver]
) -> None:
    others = worker_pids()
    mine = new_driver()
    mine.engine_ready()

    def is_told() -> bool:
        kill_workers(others)
        return mine.window.notice() is not None

    mine.click("lab.train")
    mine.until(is_told, "the end of the training")
    assert "signal SIGKILL" in mine.notice().text
    mine.until(lambda: not mine.window.lab.busy, "the page to be free again")
    mine.until(lambda: is_told() and mine.window.engine.state.phase is Phase.BROKEN, "the end")
    mine.clear_notice()
    mine.click("lab.train")
    mine.until(is_told, "the end of the next training")
    text = mine.notice().text
    assert "The next job starts it again; trained models are kept." in text
    assert "takes over" not in text
    assert "WorkerEnded" not in text


def test_settings_that_contradict_each_other_are_told(driver: Driver) -> None:
    driver.choose("lab.dataset", "digits")
    driver.enter("lab.train_rows", 5000)
    driver.click("lab.train")
    notice = driver.notice()
    assert notice.title == "The model was not trained"
    assert "1,797" in notice.text or "1797" in notice.text
    assert "SettingsError" not in notice.text
    driver.until(lambda: not driver.window.lab.busy, "the page to be free again")
