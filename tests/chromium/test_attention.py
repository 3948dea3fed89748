"""What calls for a person's attention: the clock, the tab's icon and title, notifications."""

import re

from playwright.sync_api import Page, expect

from tests.chromium.people import Person, StartJob, choose_where_to_pause, take_control
from tests.chromium.server import Server

TOUR = ("boot/menu_visible", "shell/small_steps")
LOOKING_ELSEWHERE = """
    window.told = [];
    window.Notification = class {
        static permission = "default";
        static requestPermission = async () => Notification.permission = "granted";
        constructor(title, { body }) { window.told.push(title + ": " + body); }
    };
    document.hasFocus = () => false;
"""
LIKE_ANDROID = """
    window.Notification = class {
        static permission = "granted";
        constructor() { throw new TypeError("Illegal constructor"); }
    };
    window.beeps = 0;
    const { start } = AudioScheduledSourceNode.prototype;
    AudioScheduledSourceNode.prototype.start = function () {
        window.beeps += 1;
        start.call(this);
    };
"""


def test_the_time_left_is_shown_and_running_out_is_warned_of(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, PAUSE_AT="boot-menu_visible", MAX_JOB_TIME=290)
    olivia = person("olivia")
    expect(olivia.locator(".job .left")).to_contain_text(re.compile(r"4 min left"))
    olivia.goto(server.page_of(real.pool))
    expect(olivia.locator(".clock")).to_contain_text("4 min left")
    expect(olivia.locator("#clock-warning")).to_contain_text("Less than 5 min left")
    # Its words get longer or shorter while time passes, to the left.
    edges = """(clock) => {
        const { right, y, height } = clock.getBoundingClientRect();
        return [right, y, height];
    }"""
    clock, screen = olivia.locator(".clock summary"), olivia.locator(".screen")
    places = clock.evaluate(edges), screen.bounding_box()
    olivia.click(".clock summary")
    expect(olivia.get_by_text("nothing can extend it")).to_be_visible()
    assert (clock.evaluate(edges), screen.bounding_box()) == places
    olivia.click("#attention summary")
    expect(olivia.get_by_text("nothing can extend it")).to_be_hidden()


def asks_to_be_told(olivia: Page, page: str, script: str) -> None:
    """Of what comes after the pause of a job: that one is on the page already."""
    olivia.add_init_script(script)
    olivia.goto(page)
    expect(olivia.locator("link[rel=icon]")).to_have_attribute("href", re.compile("favicon-paused"))
    olivia.click("#attention summary")
    olivia.check("#attention-notify")
    expect(olivia.locator("#attention-notify")).to_be_checked()


def test_steps_that_failed_are_not_counted_as_modules(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, PAUSE_AT="boot-menu_visible")
    olivia = person("olivia")
    asks_to_be_told(olivia, server.page_of(real.pool), LOOKING_ELSEWHERE)
    module = olivia.locator("#module-menu_visible")
    step = '<details class="step fail"></details>'
    module.locator(".steps").evaluate("(steps, step) => { steps.innerHTML = step + step; }", step)
    assert olivia.evaluate("window.told") == []
    module.evaluate("module => { module.className = 'module fail'; }")
    (told,) = olivia.evaluate("window.told")
    assert told.startswith("A module failed: ")
    assert told.endswith("1 failed so far")


def test_a_second_pause_is_told_though_the_stream_left_out_what_was_between(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, PAUSE_AT="boot-menu_visible")
    olivia = person("olivia")
    asks_to_be_told(olivia, server.page_of(real.pool), LOOKING_ELSEWHERE)
    headline, lost = olivia.locator(".headline"), olivia.locator("#stream-state")
    next_pause = "headline => { headline.dataset.pause = Number(headline.dataset.pause) + 2; }"
    headline.evaluate(next_pause)
    assert len(olivia.evaluate("window.told")) == 1
    # Behind a lost connection may be another process, which has counted otherwise.
    for hidden in ("false", "true"):
        lost.evaluate(f"lost => {{ lost.hidden = {hidden}; }}")
    headline.evaluate(next_pause)
    assert len(olivia.evaluate("window.told")) == 1
    headline.evaluate(next_pause)
    assert len(olivia.evaluate("window.told")) == 2


def test_who_has_or_had_control_is_told_when_others_change_that(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, PAUSE_AT="boot-menu_visible")
    real.wait_for_pause()
    olivia, oscar = person("olivia", at=real), person("oscar")
    asks_to_be_told(oscar, server.page_of(real.pool), LOOKING_ELSEWHERE)
    take_control(olivia)
    resume = olivia.locator("[data-action=resume]")
    expect(resume).to_be_visible()
    expect(olivia.locator("#region-session")).to_contain_text("1 tab")
    place = resume.bounding_box()
    his = [oscar.locator("[data-action=request]"), oscar.locator(".schedule")]
    expect(oscar.locator("#region-session")).to_contain_text("olivia controls this job, 1 tab")
    his_places = [part.bounding_box() for part in his]
    for end in ("withdraw", "decline"):
        oscar.click("[data-action=request]")
        expect(oscar.locator("[data-action=request]")).to_be_disabled()
        assert [part.bounding_box() for part in his] == his_places
        (oscar if end == "withdraw" else olivia).click(f"[data-action={end}]")
        expect(oscar.locator("[data-action=request]")).to_be_enabled()
        expect(olivia.locator("[data-action=decline]")).to_have_count(0)
    declined = "olivia declined your request."
    expect(oscar.locator("#spoken")).to_have_text(declined)
    [told] = oscar.evaluate("window.told")
    assert told.startswith(declined)
    with oscar.expect_response("**/session/request"):
        oscar.click("[data-action=request]")
    expect(olivia.locator("#spoken")).to_have_text("oscar asks for control.")
    expect(olivia.locator("[data-action=hand-over]")).to_be_visible()
    assert resume.bounding_box() == place
    olivia.click("[data-action=hand-over]")
    expect(oscar.locator("#spoken")).to_have_text("You control this job now.")
    assert oscar.locator("#flash .done").count() == 0, "what he had asked for is told still"
    expect(olivia.locator("#spoken")).to_have_text("oscar controls this job now.")
    assert "You control this job now." in str(oscar.evaluate("window.told"))


def test_where_pages_may_not_notify_there_is_the_sound(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, PAUSE_AT="boot-menu_visible")
    olivia = person("olivia")
    asks_to_be_told(olivia, server.page_of(real.pool), LOOKING_ELSEWHERE + LIKE_ANDROID)
    olivia.check("#attention-sound")
    take_control(olivia)
    choose_where_to_pause(olivia, "shell-small_steps")
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#spoken")).to_contain_text("Paused at module shell-small_steps")
    assert olivia.evaluate("window.beeps") == 1


def test_whoever_asks_is_notified_of_a_pause_and_of_the_end(
    person: Person, job: StartJob, server: Server
) -> None:
    real = job(*TOUR, PAUSE_AT="boot-menu_visible", STAIRS=1)
    olivia = person("olivia")
    olivia.add_init_script(LOOKING_ELSEWHERE)
    olivia.goto(server.page_of(real.pool))
    icon = olivia.locator("link[rel=icon]")
    expect(icon).to_have_attribute("href", re.compile("favicon-paused"))
    # Nothing limits this job, so nothing is to be told of its time.
    expect(olivia.locator(".clock")).to_have_count(0)
    olivia.click("#attention summary")
    expect(olivia.locator("#attention-sound")).not_to_be_checked()
    olivia.check("#attention-notify")
    expect(olivia.locator("#attention-notify")).to_be_checked()
    take_control(olivia)
    choose_where_to_pause(olivia, "shell-small_steps")
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#region-status")).to_contain_text("Paused at module shell-small_steps")
    expect(icon).to_have_attribute("href", re.compile("favicon-paused"))
    expect(olivia).to_have_title(re.compile("^‖ "))
    olivia.click("[data-action=resume]")
    expect(olivia.locator("#region-status")).to_contain_text("Ended")
    expect(icon).to_have_attribute("href", re.compile("favicon-ended"))
    told = olivia.evaluate("() => window.told")
    assert any(text.startswith("Paused at module shell-small_steps") for text in told)
    assert any(text.startswith("Ended") for text in told)
    # Chosen for this job, in this browser.
    olivia.reload()
    assert olivia.evaluate("() => Object.keys(localStorage)") == [
        f"devmode:attention:{olivia.url.rpartition('/')[2]}"
    ]


def test_an_open_page_leads_on_when_the_next_job_begins_and_nothing_moves(
    person: Person, job: StartJob
) -> None:
    real = job("boot/menu_visible", NAME="first", PAUSE_AT="boot-menu_visible")
    olivia = person("olivia", at=real)
    first = olivia.url
    real.kill()
    expect(olivia.locator("#region-status")).to_contain_text("Ended")
    expect(olivia.locator(".newer")).to_have_count(0)
    place = olivia.locator(".schedule").bounding_box()
    real.variables["NAME"] = "second"
    real.start()
    newer = "A newer job runs in this pool directory: second"
    expect(olivia.locator("#region-status")).to_contain_text(newer)
    expect(olivia.locator("#spoken")).to_contain_text(newer)
    assert olivia.locator(".schedule").bounding_box() == place
    olivia.click(".newer a")
    expect(olivia.locator(".job-name")).to_have_text("second")
    assert olivia.url != first
