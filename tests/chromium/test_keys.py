"""The live view by keyboard and by ear."""

from playwright.sync_api import expect

from tests.chromium.people import (
    NOTE_WHAT_IS_SPOKEN,
    Person,
    StartJob,
    choose_where_to_pause,
    take_control,
)
from tests.waiting import until

TOUR = ("boot/menu_visible", "shell/small_steps")


def test_a_job_is_steered_by_keys_and_what_happens_is_spoken(person: Person, job: StartJob) -> None:
    olivia = person("olivia", at=job(*TOUR, PAUSE_AT="boot-menu_visible"))
    status, session = olivia.locator("#region-status"), olivia.locator("#region-session")
    expect(status).to_contain_text("Paused at module boot-menu_visible")
    olivia.evaluate(NOTE_WHAT_IS_SPOKEN)
    # It is shown by who listens to keys.
    expect(olivia.locator("#keys-open")).to_be_visible()
    expect(olivia.locator("[data-action=start]")).to_be_visible()
    # Without a button a key does nothing.
    olivia.keyboard.press("r")
    olivia.keyboard.press("t")
    expect(session).to_contain_text("You control this job")
    choose_where_to_pause(olivia, "shell-small_steps")
    # Nor does it while one types, and with Ctrl it is the browser's.
    olivia.keyboard.press("/")
    expect(olivia.locator("#search")).to_be_focused()
    olivia.keyboard.type("resume?")
    expect(olivia.locator("#search")).to_have_value("resume?")
    olivia.locator("#text").focus()
    olivia.keyboard.press("Control+s")
    expect(status).to_contain_text("Paused at module boot-menu_visible")
    olivia.keyboard.press("r")
    expect(status).to_contain_text("Paused at module shell-small_steps")
    resumed = olivia.locator("#region-timeline li.resumed")
    # The timeline is told apart from the status.
    expect(resumed).to_have_count(1)
    expect(olivia.locator("[data-action=step]")).to_be_enabled()
    olivia.keyboard.press("s")
    expect(resumed).to_have_count(2)
    expect(status).to_contain_text("Paused")
    told = olivia.evaluate("() => window.told")
    assert "Paused at module shell-small_steps" in told
    assert not [text for text in told if "assert_screen" in text], "commands are not spoken"


def test_keys_are_explained_and_can_be_switched_off(person: Person, job: StartJob) -> None:
    olivia = person("olivia", at=job(*TOUR, PAUSE_AT="boot-menu_visible"))
    help_of_keys, opener = olivia.locator("#keys"), olivia.locator("#keys-open")
    expect(opener).to_be_visible()
    olivia.keyboard.press("?")
    expect(help_of_keys).to_be_visible()
    expect(help_of_keys).to_contain_text("Take control")
    olivia.keyboard.press("t")
    olivia.uncheck("#keys-wanted")
    olivia.keyboard.press("Escape")
    expect(help_of_keys).to_be_hidden()
    olivia.reload()
    expect(olivia.locator("[data-action=start]")).to_be_visible()
    expect(opener).to_be_visible()
    olivia.keyboard.press("t")
    olivia.keyboard.press("?")
    expect(help_of_keys).to_be_visible()
    expect(olivia.locator("#keys-wanted")).not_to_be_checked()
    olivia.check("#keys-wanted")
    olivia.click("#keys button")
    expect(olivia.locator("#region-session")).to_contain_text("Nobody controls this job")
    olivia.keyboard.press("t")
    expect(olivia.locator("#region-session")).to_contain_text("You control this job")


def test_back_closes_the_help_of_the_keys_and_then_what_is_under_it(
    person: Person, job: StartJob
) -> None:
    olivia = person("olivia", at=job(*TOUR, PAUSE_AT="boot-menu_visible"))
    page, help_of_keys, full = olivia.url, olivia.locator("#keys"), olivia.locator(".screen.full")
    expect(olivia.locator("#keys-open")).to_be_visible()
    olivia.keyboard.press("z")
    # What was closed otherwise is no place to go back to.
    for close in ("Escape", "Enter", "Back"):
        olivia.keyboard.press("?")
        expect(help_of_keys).to_be_visible()
        olivia.go_back() if close == "Back" else olivia.keyboard.press(close)
        expect(help_of_keys).to_be_hidden()
        until(lambda: olivia.evaluate("history.state.covers") == 1, "the help to leave the history")
        expect(full).to_be_visible()
    olivia.go_back()
    expect(full).to_have_count(0)
    assert olivia.url == page
    olivia.go_back()
    assert olivia.url != page, "what was over the page is still in the history"


def test_the_keyboard_stays_where_it_is_when_another_text_is_shown(
    person: Person, job: StartJob
) -> None:
    olivia = person("olivia", at=job(*TOUR, PAUSE_AT="boot-menu_visible"))
    # Until HTMX has it, it is a link to another page, as without JavaScript.
    expect(olivia.locator("#tab-timeline[data-htmx-powered]")).to_be_visible()
    olivia.locator("#tab-timeline").focus()
    olivia.keyboard.press("Enter")
    expect(olivia.locator("#region-timeline")).to_be_visible()
    expect(olivia.locator("#tab-timeline")).to_be_focused()


def test_a_select_keeps_the_keyboard_and_is_saved_when_its_choice_is_made(
    person: Person, job: StartJob
) -> None:
    olivia = person("olivia", at=job(*TOUR, PAUSE_AT="boot-menu_visible"))
    take_control(olivia)
    select = olivia.locator("#setting-pause_on_mismatch")
    before = olivia.locator("#setting-pause_at")
    rendered = select.locator("option[selected]")
    saved: list[str] = []
    olivia.on("request", lambda sent: saved.append(sent.url) if "settings" in sent.url else None)
    expect(select).to_be_enabled()
    select.focus()
    for _option in range(2):
        olivia.keyboard.press("ArrowDown")
    expect(select).to_have_value("check_screen")
    assert not saved
    olivia.keyboard.press("Enter")
    expect(rendered).to_have_attribute("value", "check_screen")
    expect(select).to_be_focused()

    # What is told now is shown, though the keyboard is still there.
    second = olivia.context.new_page()
    second.goto(olivia.url)
    second.select_option("#setting-pause_on_mismatch", "off")
    expect(select).to_have_value("off")
    expect(select).to_be_focused()

    olivia.keyboard.press("ArrowDown")
    olivia.keyboard.press("Escape")
    expect(select).to_have_value("off")
    olivia.keyboard.press("ArrowDown")
    olivia.keyboard.press("Shift+Tab")
    expect(rendered).to_have_attribute("value", "assert_screen")
    expect(before).to_be_focused()
    assert len(saved) == 2


def test_what_is_chosen_from_an_open_list_is_saved_at_once(person: Person, job: StartJob) -> None:
    olivia = person("olivia", at=job(*TOUR, PAUSE_AT="boot-menu_visible"))
    take_control(olivia)
    select = olivia.locator("#setting-pause_on_mismatch")
    expect(select).to_be_enabled()
    select.focus()
    for key in ("Space", "ArrowDown", "Enter"):
        olivia.keyboard.press(key)
    expect(select.locator("option[selected]")).to_have_attribute("value", "assert_screen")
    expect(select).to_be_focused()


def test_the_keyboard_stays_at_a_button_that_is_away_while_the_test_runs(
    person: Person, job: StartJob
) -> None:
    olivia = person("olivia", at=job(*TOUR, PAUSE_AT="shell-small_steps"))
    session, panel = olivia.locator("#region-session"), olivia.locator(".panel .now")
    expect(olivia.locator("#region-status")).to_contain_text("Paused")
    olivia.locator("[data-action=start]").press("Enter")
    expect(session).to_contain_text("You control this job")
    # At no other button, which a second Enter would press.
    expect(panel).to_be_focused()
    resumed = olivia.locator("#region-timeline li.resumed")
    step = olivia.locator("[data-action=step]")
    expect(step).to_be_enabled()
    step.focus()
    for count in (1, 2):
        olivia.keyboard.press("Enter")
        expect(resumed).to_have_count(count)
        expect(step).to_be_focused()
    olivia.locator("[data-action=release-stay]").press("Enter")
    expect(session).to_contain_text("Nobody controls this job")
    expect(panel).to_be_focused()
