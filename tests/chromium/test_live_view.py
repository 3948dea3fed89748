"""Two people, several tabs and a real job, in a real browser."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.chromium.conftest import enter
from tests.chromium.server import Server
from tests.real.job import RealJob

StartJob = Callable[..., RealJob]
Person = Callable[..., Page]
TOUR = ("boot/menu_visible", "shell/command_line", "shell/small_steps")
PAUSED = {"PAUSE_AT": "boot-menu_visible"}


def open_job(page: Page) -> None:
    page.click(".job .name")
    expect(page.locator("#region-status")).to_be_visible()


def take_control(page: Page) -> None:
    page.click("[data-action=start]")
    expect(page.locator("#region-session")).to_contain_text("You control this job")


def test_a_developer_steers_while_another_person_watches(person: Person, job: StartJob) -> None:
    job(*TOUR, **PAUSED)
    olivia, victor = person("olivia"), person("victor", "viewer")
    open_job(olivia)
    victor.goto(olivia.url)
    expect(victor.locator("#region-status")).to_contain_text("Paused at module boot-menu_visible")
    take_control(olivia)
    expect(victor.locator("#region-session")).to_contain_text("olivia controls this job, 1 tab")
    expect(victor.locator("[data-action]")).to_have_count(0)

    olivia.select_option("#setting-pause_at", "shell-small_steps")
    expect(victor.locator("#setting-pause_at")).to_have_value("shell-small_steps")
    olivia.click("[data-action=resume]")
    expect(victor.locator("#region-status")).to_contain_text("Will pause at module")
    for page in (olivia, victor):
        expect(page.locator("#region-status")).to_contain_text(
            "Paused at module shell-small_steps", timeout=20_000
        )
    for _ in range(5):
        resumed = olivia.locator("#region-timeline li.resumed")
        before = resumed.count()
        olivia.click("[data-action=step]")
        expect(resumed).to_have_count(before + 1)
        expect(olivia.locator("#region-status")).to_contain_text("Paused")

    olivia.click("[data-action=release-continue]")
    for page in (olivia, victor):
        expect(page.locator("#region-session")).to_contain_text("Nobody controls this job")
        expect(page.locator("#region-status")).to_contain_text("Running")


def test_everything_works_without_javascript(person: Person, job: StartJob) -> None:
    job(*TOUR, **PAUSED)
    olivia = person("olivia", java_script_enabled=False)
    open_job(olivia)
    olivia.goto(f"{olivia.url}?refresh=off")
    take_control(olivia)
    olivia.select_option("#setting-pause_at", "shell-small_steps")
    olivia.click("#settings button")
    expect(olivia.locator("#flash")).to_contain_text("Saved")
    expect(olivia.locator("#setting-pause_at")).to_have_value("shell-small_steps")
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#flash")).to_contain_text("The test goes on")
    # The page refreshes itself.
    expect(olivia.locator("#region-status")).to_contain_text(
        "Paused at module shell-small_steps", timeout=30_000
    )
    olivia.click("[data-action=release-continue]")
    expect(olivia.locator("#region-session")).to_contain_text("Nobody controls this job")


def test_ten_tabs_of_one_browser_are_live_and_an_eleventh_opens(
    person: Person, job: StartJob
) -> None:
    for _ in range(3):
        job(*TOUR, **PAUSED)
    olivia = person("olivia")
    expect(olivia.locator(".job")).to_have_count(3)
    links = [link.get_attribute("href") for link in olivia.locator(".job .name").all()]
    watched = [links[0]] * 4 + [links[1]] * 3 + [links[2]] * 2
    tabs = []
    for link in watched:
        tab = olivia.context.new_page()
        tab.goto(olivia.url.rstrip("/") + str(link))
        tabs.append(tab)
    for first in (0, 4, 7):
        take_control(tabs[first])
    for tab, count in zip(tabs, [4] * 4 + [3] * 3 + [2] * 2, strict=True):
        expect(tab.locator("#region-session")).to_contain_text(f"this job, {count} tabs")
    for first, last in ((0, 3), (4, 6), (7, 8)):
        tabs[last].click("[data-action=resume]")
        expect(tabs[first].locator("#region-status")).to_contain_text("Running")
    expect(olivia.locator(".owner", has_text="olivia")).to_have_count(3)
    eleventh = olivia.context.new_page()
    eleventh.goto(tabs[0].url)
    expect(eleventh.locator("#region-session")).to_contain_text("this job, 5 tabs")


def test_the_loser_of_a_race_for_control_is_told_who_won(person: Person, job: StartJob) -> None:
    job(*TOUR, **PAUSED)
    olivia, oscar = person("olivia"), person("oscar")
    open_job(olivia)
    oscar.goto(olivia.url)
    expect(oscar.locator("[data-action=start]")).to_be_visible()
    # A stream that is a moment late: the button is there when somebody else has won already.
    oscar.evaluate("document.getElementById('region-session').id = 'late'")
    take_control(olivia)
    oscar.click("[data-action=start]")
    expect(oscar.locator("#flash .error")).to_contain_text("olivia controls this job")


def test_an_expired_login_leads_back_to_the_page_and_costs_nobody_their_control(
    person: Person, job: StartJob, server: Server
) -> None:
    job(*TOUR, **PAUSED)
    olivia = person("olivia")
    open_job(olivia)
    take_control(olivia)
    page_of_job = olivia.url
    server.expire_logins()
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#flash .error")).to_contain_text("Sign in")
    expect(olivia.locator("#region-status")).to_contain_text("Paused")
    olivia.click("#flash a")
    enter(olivia, "olivia", server.start_code)
    olivia.wait_for_url(page_of_job)
    expect(olivia.locator("#region-session")).to_contain_text("You control this job")
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#region-status")).to_contain_text("Running")


def test_a_form_whose_token_is_of_another_sign_in_says_so_and_changes_nothing(
    person: Person, job: StartJob
) -> None:
    job(*TOUR, **PAUSED)
    olivia = person("olivia")
    open_job(olivia)
    take_control(olivia)
    olivia.evaluate(
        "for (const field of document.getElementsByName('csrf_token')) field.value += 'x'"
    )
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#flash .error")).to_contain_text("This form has expired")
    expect(olivia.locator("#region-status")).to_contain_text("Paused")


def test_a_setting_that_is_not_confirmed_says_so_beside_its_real_value(
    person: Person, job: StartJob
) -> None:
    real = job(*TOUR, **PAUSED)
    olivia = person("olivia")
    open_job(olivia)
    take_control(olivia)
    real.freeze()
    olivia.select_option("#setting-pause_at", "shell-small_steps")
    expect(olivia.locator(".setting", has_text="Pause at module")).to_contain_text("saving…")
    expect(olivia.locator("#mark-pause_at")).to_contain_text("not confirmed", timeout=20_000)
    expect(olivia.locator("#setting-pause_at")).to_have_value("boot-menu_visible")
    real.thaw()


def test_signing_out_ends_every_tab(person: Person, job: StartJob) -> None:
    job(*TOUR, **PAUSED)
    olivia = person("olivia")
    open_job(olivia)
    second = olivia.context.new_page()
    second.goto(olivia.url)
    expect(second.locator("#region-status")).to_contain_text("Paused")
    olivia.click(".who button")
    second.wait_for_url("**/sign-in?next=**")


def test_a_killed_server_costs_nobody_their_control(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, **PAUSED)
    olivia, victor = person("olivia"), person("victor", "viewer")
    open_job(olivia)
    victor.goto(olivia.url)
    take_control(olivia)
    server.kill()
    expect(victor.locator("#stream-state")).to_be_visible()
    server.start()
    expect(victor.locator("#stream-state")).to_be_hidden(timeout=15_000)
    expect(olivia.locator("#region-timeline")).to_contain_text("adopted", timeout=15_000)
    expect(victor.locator("#region-session")).to_contain_text("olivia controls this job")
    expect(olivia.locator("[data-action=resume]")).to_be_visible()
    olivia.click("[data-action=resume]")
    expect(victor.locator("#region-status")).to_contain_text("Running")
    assert real.token not in server.log + olivia.content() + victor.content()
