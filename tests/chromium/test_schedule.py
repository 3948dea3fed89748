"""The schedule in a real browser: modules open to their steps, and stay open."""

from playwright.sync_api import expect

from tests.chromium.people import Person, StartJob, take_control


def test_an_opened_module_shows_its_steps_as_soon_as_they_are_told(
    person: Person, job: StartJob
) -> None:
    real = job(
        "boot/menu_visible",
        "boot/missing_needle",
        PAUSE_AT="boot-missing_needle",
        PAUSE_ON_SCREEN_MISMATCH="assert_screen",
        MISMATCH_TIMEOUT=1,
    )
    page = person("olivia", at=real)
    page.click("[data-action=start]")
    expect(page.locator("#region-status")).to_contain_text("Paused at module")
    good, failing = page.locator("#module-menu_visible"), page.locator("#module-missing_needle")
    good.locator("summary").first.click()
    expect(good.locator(".step")).to_have_count(3)
    good.locator(".step summary").first.click()
    expect(good.locator("rect.matched").first).to_be_visible()
    failing.locator("summary").first.click()
    expect(failing.locator(".steps")).to_contain_text("has not told any steps yet")

    page.click("[data-action=resume]")
    expect(page.locator("#region-status")).to_contain_text("timed out")
    expect(failing.locator(".step", has_text="needle-to-be-made")).to_have_count(1)
    expect(good.locator("rect.matched").first).to_be_visible()
    picture = good.locator(".shot img").first
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 720

    real.make_needle("needle-to-be-made", "grub-command-line")
    page.click("[data-action=resume]")
    missed = failing.locator(".step", has_text="needle-to-be-made").nth(1)
    missed.locator("summary").click()
    expect(missed.locator("svg rect.missed")).to_be_visible()


def test_a_module_is_open_still_when_one_comes_back(person: Person, job: StartJob) -> None:
    real = job("boot/menu_visible", "boot/choose_entry", PAUSE_AT="boot-choose_entry")
    real.wait_for_pause()
    page = person("victor", "viewer", at=real)
    steps = page.locator("#module-menu_visible .step")
    page.locator("#module-menu_visible summary").first.click()
    steps.first.locator("summary").click()
    page.click("#tab-timeline")
    expect(page.locator("#region-timeline")).to_be_visible()
    page.goto(steps.first.locator(".shot").evaluate("shot => shot.href"))
    page.go_back()
    expect(steps).to_have_count(3)


def test_a_screenshot_opens_over_the_page_and_leads_back(person: Person, job: StartJob) -> None:
    real = job("boot/menu_visible", "boot/choose_entry", PAUSE_AT="boot-choose_entry")
    real.wait_for_pause()
    olivia = person("olivia", at=real)
    take_control(olivia)
    olivia.locator("#module-menu_visible summary").first.click()
    step = olivia.locator("#module-menu_visible .step").first
    step.locator("summary").click()
    live, shot, view = olivia.url, step.locator(".shot"), olivia.locator("#shot-view")

    def leave_by_pressing_escape() -> None:
        # No key of the page steers what is behind.
        olivia.keyboard.press("r")
        olivia.keyboard.press("Escape")

    for leave in (
        leave_by_pressing_escape,
        olivia.get_by_role("button", name="Back").click,
        view.locator(".shot").click,
        olivia.go_back,
    ):
        shot.click()
        expect(view.locator("rect.matched").first).to_be_visible()
        width, natural = view.locator("img").evaluate("img => [img.width, img.naturalWidth]")
        assert width == natural == 720
        leave()
        expect(view).to_be_hidden()
        expect(shot).to_be_focused()
    assert olivia.url == live
    expect(olivia.locator("#region-status")).to_contain_text("Paused at module")
    module = olivia.locator("#module-menu_visible .steps").get_attribute("hx-get")
    olivia.goto(str(module))
    olivia.locator(".step summary").first.click()
    olivia.locator(".shot").first.click()
    view.get_by_role("link", name="The picture alone").click()
    olivia.wait_for_url("**.png")


def test_a_module_can_be_picked_to_pause_at(person: Person, job: StartJob) -> None:
    real = job("boot/menu_visible", "boot/choose_entry", PAUSE_AT="boot-menu_visible")
    page = person("olivia", at=real)
    page.click("[data-action=start]")
    page.locator("#module-choose_entry .pause-here").click()
    expect(page.locator("#setting-pause_at")).to_have_value("boot-choose_entry")
    expect(page.locator("#module-choose_entry .pause-here")).to_have_text("‖ pause here")
    further = page.context.new_page()
    further.goto(page.url)
    further.locator("#module-choose_entry .pause-here", has_text="pause here").click()
    for tab in (page, further):
        expect(tab.locator("#setting-pause_at")).to_have_value("")
        expect(tab.locator("#module-choose_entry .pause-here")).not_to_have_text("‖ pause here")
    place = further.locator("#module-choose_entry .pause-here").bounding_box()
    further.locator("#module-choose_entry summary").click()
    expect(further.locator("#module-choose_entry .steps")).to_be_visible()
    assert further.locator("#module-choose_entry .pause-here").bounding_box() == place


def test_without_javascript_a_module_leads_to_a_page_of_its_steps(
    person: Person, job: StartJob
) -> None:
    real = job("boot/menu_visible", "boot/choose_entry", PAUSE_AT="boot-choose_entry")
    real.wait_for_pause()
    page = person("victor", "viewer", at=real, java_script_enabled=False)
    page.goto(f"{page.url}?refresh=off")
    page.locator("#module-menu_visible summary").click()
    page.locator("#module-menu_visible .steps a").click()
    expect(page.locator(".step")).to_have_count(3)
    page.locator(".step summary").first.click()
    expect(page.locator(".shot svg rect.matched").first).to_be_visible()


def test_the_timeline_can_be_narrowed_while_it_goes_on(person: Person, job: StartJob) -> None:
    page = person("olivia", at=job("boot/menu_visible", PAUSE_AT="boot-menu_visible"))
    page.click("[data-action=start]")
    page.click("#panel .tabs a >> text=Timeline")
    page.check("#panel [value=settings]")
    # Any news draws the box anew as it is known to be: until it is confirmed, the tick may go.
    page.click("#setting-pause_on_failure")
    expect(page.locator("#setting-pause_on_failure")).to_be_checked()
    entries = page.locator("#region-timeline li")
    expect(entries.filter(has_text="setting")).to_be_visible()
    expect(entries.filter(has_text="Took control")).to_be_hidden()
    page.check("#panel [value=everything]")
    expect(entries.filter(has_text="Took control")).to_be_visible()
