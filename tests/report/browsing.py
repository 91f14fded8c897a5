"""A page in the browser, with everything that it asked for and complained of."""

from __future__ import annotations

from contextlib import contextmanager

CONTRASTS = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  const drawn = colours => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(part => part / 255);
  };
  const luminance = rgb => rgb
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, channel) => sum + part * [0.2126, 0.7152, 0.0722][channel], 0);
  const behind = element => {
    const colours = [];
    for (let part = element; part; part = part.parentElement) colours.unshift(getComputedStyle(part).backgroundColor);
    return colours;
  };
  const own = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  return [...document.body.querySelectorAll("*")]
    .filter(element => own(element) && element.checkVisibility({ visibilityProperty: true }))
    .map(element => {
      const ground = behind(element);
      const [a, b] = [drawn(ground), drawn([...ground, getComputedStyle(element).color])].map(luminance);
      return [element.textContent.trim().slice(0, 40), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
}"""  # of each visible text with what is drawn behind it, by the formula of WCAG 2


@contextmanager
def opened(browser, path, width=1200, scheme="light", scripts=True, permissions=(), before=None):
    """(page, what it asked for, what it complained about); `before` is a script that runs ahead of the page's own."""
    viewport = {"width": width, "height": 900}
    context = browser.new_context(
        viewport=viewport, color_scheme=scheme, java_script_enabled=scripts, permissions=list(permissions)
    )
    if before:
        context.add_init_script(before)
    page = context.new_page()
    page.set_default_timeout(10_000)  # milliseconds; the page itself waits for nothing
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    yield page, requests, complaints
    context.close()
