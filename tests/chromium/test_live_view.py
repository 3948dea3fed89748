"""Two people, several tabs and a real job, in a real browser."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import pytest
from playwright.sync_api import Route, expect

from tests.chromium.people import (
    NOTE_WHAT_IS_SPOKEN,
    Person,
    StartJob,
    choose_where_to_pause,
    enter,
    stand_in,
    take_control,
)
from tests.chromium.server import Server

TOUR = ("boot/menu_visible", "shell/command_line", "shell/small_steps")
SHORT = ("boot/menu_visible", "shell/small_steps")
PAUSED: dict[str, str | int] = {"PAUSE_AT": "boot-menu_visible", "STAIRS": 60}
"""Nobody waits for the end: what was resumed runs until somebody has looked at all of it."""
ON_FAILURE = "#setting-pause_on_failure"
DEAF_TO_SIGNING_OUT = """
    delete window.SharedWorker;
    const { addEventListener } = EventSource.prototype;
    EventSource.prototype.addEventListener = function (kind, listener) {
        if (kind !== "signed-out") addEventListener.call(this, kind, listener);
    };
"""


def test_a_developer_steers_while_another_person_watches(person: Person, job: StartJob) -> None:
    real = job(*TOUR, **PAUSED)
    olivia, victor = person("olivia", at=real), person("victor", "viewer", at=real)
    expect(victor.locator("#region-status")).to_contain_text("Paused at module boot-menu_visible")
    # It does not last.
    victor.evaluate(NOTE_WHAT_IS_SPOKEN)
    take_control(olivia)
    expect(victor.locator("#region-session")).to_contain_text("olivia controls this job, 1 tab")
    expect(victor.locator("[data-action]")).to_have_count(0)

    olivia.select_option("#setting-pause_at", "shell-small_steps")
    expect(victor.locator("#setting-pause_at")).to_have_value("shell-small_steps")
    olivia.click("[data-action=resume]")
    for page in (olivia, victor):
        expect(page.locator("#region-status")).to_contain_text("Paused at module shell-small_steps")
    assert "Will pause at module shell-small_steps" in victor.evaluate("told")
    resumed = olivia.locator("#region-timeline li.resumed")
    for count in range(1, 6):
        # The timeline is told apart from the status.
        expect(resumed).to_have_count(count)
        olivia.click("[data-action=step]")
        expect(resumed).to_have_count(count + 1)
        expect(olivia.locator("#region-status")).to_contain_text("Paused")

    olivia.click("[data-action=release-continue]")
    for page in (olivia, victor):
        expect(page.locator("#region-session")).to_contain_text("Nobody controls this job")
        expect(page.locator("#region-status")).to_contain_text("Running")


def test_what_is_pressed_goes_behind_what_was_set_before_and_not_without_it(
    person: Person, job: StartJob
) -> None:
    olivia = person("olivia", at=job(*SHORT, **PAUSED))
    take_control(olivia)
    held: list[Route] = []
    sent: list[str] = []

    def hold_settings(route: Route) -> None:
        what = route.request.url.rpartition("/")[2]
        sent.append(what)
        held.append(route) if what == "settings" else route.continue_()

    olivia.route(re.compile("/(settings|resume)$"), hold_settings)
    resume, pause_at = olivia.locator("[data-action=resume]"), olivia.locator("#setting-pause_at")

    def set_and_press() -> Route:
        sent.clear()
        pause_at.select_option("shell-small_steps")
        expect(olivia.locator(".setting", has_text="Pause at module")).to_contain_text("saving…")
        resume.click()
        expect(resume).to_have_class(re.compile("pressed"))
        # Once more, as it seems to do nothing yet.
        resume.click()
        return held.pop()

    set_and_press().abort()
    expect(olivia.locator("#flash .message")).to_contain_text("devmode did not answer")
    expect(resume).not_to_have_class(re.compile("pressed"))
    assert sent == ["settings"]
    set_and_press().continue_()
    expect(olivia.locator("#region-status")).to_contain_text("Paused at module shell-small_steps")
    assert sent == ["settings", "resume"]


def test_a_pause_waits_for_nothing(person: Person, job: StartJob) -> None:
    olivia = person("olivia", at=job(*SHORT, **PAUSED))
    take_control(olivia)
    olivia.click("[data-action=resume]")
    pause = olivia.locator("[data-action=pause]")
    expect(pause).to_be_visible()
    held: list[Route] = []
    olivia.route(re.compile("/(settings|step)"), lambda route: held.append(route))
    olivia.check(ON_FAILURE)
    pause.click()
    expect(olivia.locator("#region-status")).to_contain_text("Paused")
    assert len(held) == 1
    held.pop().abort()


def test_an_answer_that_the_stream_overtook_does_not_bring_the_past_back(
    person: Person, job: StartJob
) -> None:
    olivia = person("olivia", at=job(*SHORT, **PAUSED))
    take_control(olivia)
    choose_where_to_pause(olivia, "shell-small_steps")

    def be_slow(route: Route) -> None:
        answer = route.fetch()
        reached = "Paused at module shell-small_steps"
        expect(olivia.locator("#region-status")).to_contain_text(reached)
        route.fulfill(response=answer)

    olivia.route("**/resume", be_slow)
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#flash .done")).to_contain_text("The test goes on")
    expect(olivia.locator("#region-status")).to_contain_text("Paused at module shell-small_steps")


def test_neither_does_the_answer_to_a_click_before_the_stream_was_open(
    person: Person, job: StartJob
) -> None:
    olivia = person("olivia", at=job(*SHORT, **PAUSED))
    take_control(olivia)
    choose_where_to_pause(olivia, "shell-small_steps")
    # Without a shared worker the tab has a stream of its own, which can be held back.
    olivia.add_init_script("delete window.SharedWorker")
    streams: list[Route] = []
    olivia.route("**/events?*", lambda stream: streams.append(stream))

    def be_slow(route: Route) -> None:
        answer = route.fetch()
        olivia.unroute("**/events?*")
        for stream in streams:
            stream.continue_()
        reached = "Paused at module shell-small_steps"
        expect(olivia.locator("#region-status")).to_contain_text(reached)
        route.fulfill(response=answer)

    olivia.reload()
    olivia.route("**/resume", be_slow)
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#flash .done")).to_contain_text("The test goes on")
    expect(olivia.locator("#region-status")).to_contain_text("Paused at module shell-small_steps")


def test_a_script_that_is_lost_on_its_way_is_fetched_again(person: Person, job: StartJob) -> None:
    olivia = person("olivia", at=job(*TOUR, **PAUSED))
    lost: list[Route] = []

    def lose_the_first(route: Route) -> None:
        lost.append(route)
        route.abort() if len(lost) == 1 else route.continue_()

    olivia.route("**/htmx-*.js", lose_the_first)
    olivia.reload()
    expect(olivia.locator("#tab-timeline[data-htmx-powered]")).to_be_visible()
    take_control(olivia)
    choose_where_to_pause(olivia, "shell-small_steps")
    assert len(lost) == 2


def test_everything_works_without_javascript(person: Person, job: StartJob) -> None:
    olivia = person("olivia", at=job(*SHORT, **PAUSED), java_script_enabled=False)
    olivia.goto(f"{olivia.url}?refresh=off")
    page_of_job = olivia.url
    take_control(olivia)
    olivia.goto(page_of_job)
    for help_on, told in (("actions", "lets the test continue"), ("settings", "no needle matches")):
        olivia.locator(f"#region-{help_on}").get_by_text("What do these do?").click()
        expect(olivia.locator(f"#region-{help_on}").get_by_text(told)).to_be_visible()
    olivia.select_option("#setting-pause_at", "shell-small_steps")
    olivia.click("#settings button")
    expect(olivia.locator("#flash")).to_contain_text("Saved")
    expect(olivia.locator("#setting-pause_at")).to_have_value("shell-small_steps")
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#flash")).to_contain_text("The test goes on")
    # The page refreshes itself.
    expect(olivia.locator("#region-status")).to_contain_text("Paused at module shell-small_steps")
    olivia.click("[data-action=release-continue]")
    expect(olivia.locator("#region-session")).to_contain_text("Nobody controls this job")


def test_ten_tabs_of_one_browser_are_live_and_an_eleventh_opens(
    person: Person, job: StartJob, server: Server
) -> None:
    pages = [server.page_of(job(*TOUR, **PAUSED).pool) for _ in range(3)]
    olivia = person("olivia")
    watched = [pages[0]] * 4 + [pages[1]] * 3 + [pages[2]] * 2
    tabs = []
    for path in watched:
        tab = olivia.context.new_page()
        tab.goto(path)
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
    real = job(*TOUR, **PAUSED)
    olivia, oscar = person("olivia", at=real), person("oscar", at=real)
    expect(oscar.locator("[data-action=start]")).to_be_visible()
    # A stream that is a moment late: the button is there when somebody else has won already.
    oscar.evaluate("document.getElementById('region-session').id = 'late'")
    take_control(olivia)
    oscar.click("[data-action=start]")
    expect(oscar.locator("#flash .error")).to_contain_text("olivia controls this job")


def test_an_expired_login_leads_back_to_the_page_and_costs_nobody_their_control(
    person: Person, job: StartJob, server: Server
) -> None:
    olivia = person("olivia", at=job(*TOUR, **PAUSED))
    # A stream is told of it within half a minute, which may be before she presses a button.
    olivia.add_init_script(DEAF_TO_SIGNING_OUT)
    olivia.reload()
    take_control(olivia)
    page_of_job = olivia.url
    # Nothing moves any more that could come between her and the button.
    expect(olivia.locator("#region-session")).to_contain_text("1 tab")
    expect(olivia.locator("[data-action=resume]")).to_be_visible()
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
    olivia = person("olivia", at=job(*TOUR, **PAUSED))
    take_control(olivia)
    olivia.evaluate(
        "for (const field of document.getElementsByName('csrf_token')) field.value += 'x'"
    )
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#flash .error")).to_contain_text("This form has expired")
    expect(olivia.locator("#region-status")).to_contain_text("Paused")


@pytest.mark.parametrize("lose", [Route.abort, stand_in], ids=["network", "proxy"])
def test_what_does_not_reach_devmode_is_told_and_not_shown_as_if_it_had(
    person: Person, job: StartJob, lose: Callable[[Route], None]
) -> None:
    olivia = person("olivia", at=job(*TOUR, **PAUSED))
    take_control(olivia)
    olivia.route(re.compile("/(settings|resume|session/release)"), lambda route: lose(route))
    pause_at, on_failure = olivia.locator("#setting-pause_at"), olivia.locator(ON_FAILURE)
    unanswered = olivia.locator("#flash .message", has_text="devmode did not answer")

    def is_told() -> None:
        expect(unanswered).to_have_count(1)
        expect(olivia.locator("#flash .done")).to_have_count(0)
        unanswered.click()

    pause_at.select_option("shell-small_steps")
    is_told()
    expect(pause_at).to_have_value("boot-menu_visible")
    on_failure.click()
    is_told()
    expect(on_failure).not_to_be_checked()
    for button in ("resume", "release-continue"):
        olivia.click(f"[data-action={button}]")
        is_told()
    olivia.unroute_all()
    pause_at.select_option("shell-small_steps")
    expect(olivia.locator("#flash .done", has_text="Saved")).to_be_visible()


def test_a_setting_that_is_not_confirmed_says_so_beside_its_real_value(
    person: Person, job: StartJob
) -> None:
    real = job(*TOUR, **PAUSED)
    olivia = person("olivia", at=real)
    take_control(olivia)
    real.freeze()
    olivia.select_option("#setting-pause_at", "shell-small_steps")
    expect(olivia.locator(".setting", has_text="Pause at module")).to_contain_text("saving…")
    expect(olivia.locator("#mark-pause_at")).to_contain_text("not confirmed")
    expect(olivia.locator("#setting-pause_at")).to_have_value("boot-menu_visible")
    real.thaw()


def test_signing_out_ends_every_tab(person: Person, job: StartJob) -> None:
    olivia = person("olivia", at=job(*TOUR, **PAUSED))
    second = olivia.context.new_page()
    second.goto(olivia.url)
    expect(second.locator("#region-status")).to_contain_text("Paused")

    def be_slow(route: Route) -> None:
        answer = route.fetch(max_redirects=0)
        second.wait_for_url("**/sign-in?next=**")
        route.fulfill(response=answer)

    olivia.route("**/sign-out", be_slow)
    olivia.click(".who button", no_wait_after=True)
    # Her own form takes her first tab along: a second navigation beside it crashes Chromium's tab.
    olivia.wait_for_url("**/sign-in")


@pytest.mark.timeout(500)
def test_a_silent_server_is_told_as_a_lost_connection(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, **PAUSED)
    victor, vera = person("victor", "viewer", at=real), person("vera", "viewer", at=real)
    vera.add_init_script("delete window.SharedWorker")
    vera.reload()
    for page in (victor, vera):
        expect(page.locator("#region-status")).to_contain_text("Paused")
    with server.silent():
        for page in (victor, vera):
            # Longer than the page waits for the next heartbeat.
            expect(page.locator("#stream-state")).to_be_visible(timeout=250_000)
    for page in (victor, vera):
        expect(page.locator("#stream-state")).to_be_hidden()


def test_a_page_that_came_just_before_devmode_went_down_says_so_and_becomes_live(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, **PAUSED)
    vera = person("vera", "viewer")
    page_of_job = server.page_of(real.pool)
    vera.goto("about:blank")
    with ExitStack() as outage:
        scripts = iter((lose_at_first, partial(bring_at_last, outage, server)))
        vera.route("**/htmx-*.js", lambda route: next(scripts)(route))
        vera.goto(page_of_job)
        expect(vera.locator("#stream-state")).to_be_visible()
    expect(vera.locator("#stream-state")).to_be_hidden()
    expect(vera.locator("#region-status")).to_contain_text("Paused")
    take_control(person("olivia", at=real))
    expect(vera.locator("#region-session")).to_contain_text("olivia controls this job")


def lose_at_first(route: Route) -> None:
    """By then the rest of the page is on its way."""
    route.abort()


def bring_at_last(outage: ExitStack, server: Server, route: Route) -> None:
    """All but the worker's script has come."""
    answer = route.fetch()
    outage.enter_context(server.down())
    route.fulfill(response=answer)


def test_who_was_signed_out_while_a_page_had_no_connection_is_led_to_the_sign_in(
    person: Person, job: StartJob, server: Server
) -> None:
    vera = person("vera", "viewer", at=job(*TOUR, **PAUSED))
    vera.add_init_script("delete window.SharedWorker")
    vera.reload()
    with server.down():
        expect(vera.locator("#stream-state")).to_be_visible()
        vera.context.clear_cookies()
    vera.wait_for_url("**/sign-in?next=*")


def test_a_killed_server_costs_nobody_their_control(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, **PAUSED)
    olivia, victor = person("olivia", at=real), person("victor", "viewer", at=real)
    take_control(olivia)
    expect(victor.locator("#region-session")).to_contain_text("1 tab")
    victor.evaluate("scrollTo(0, document.body.scrollHeight)")
    place = victor.locator(".screen").bounding_box()
    with server.down():
        expect(victor.locator("#stream-state")).to_be_in_viewport(ratio=1)
        assert victor.locator(".screen").bounding_box() == place
    expect(victor.locator("#stream-state")).to_be_hidden()
    expect(olivia.locator("#region-timeline")).to_contain_text("adopted")
    expect(victor.locator("#region-session")).to_contain_text("olivia controls this job")
    expect(olivia.locator("[data-action=resume]")).to_be_visible()
    olivia.click("[data-action=resume]")
    expect(victor.locator("#region-status")).to_contain_text("Running")
    assert real.token not in server.log + olivia.content() + victor.content()
