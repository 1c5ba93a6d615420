#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A report in a real browser: headless Chromium, driven by its own driver.

  report_test.py SVCBENCH [unittest arguments]

Ends with 77, which ctest takes for skipped, where there is no Chromium, no driver or no selenium module
(scripts/install-deps --dev installs them on Debian).
"""
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runs  # noqa: E402


def skip(why):
    print(f"report_test: skipped: {why}; scripts/install-deps --dev installs it on Debian")
    sys.exit(77)


try:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    # The distribution's module is for the distribution's Python.
    if os.path.realpath(sys.executable) != os.path.realpath("/usr/bin/python3") and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    skip("Python's selenium module is not here")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
if not CHROMIUM or not DRIVER:
    skip("Chromium or its chromedriver is not here")

SVCBENCH = os.path.abspath(sys.argv.pop(1))
HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror=\"window.pwned=1\">\u2028{{scripts}}"


def start():
    options = Options()
    options.binary_location = CHROMIUM
    # --no-sandbox: as root there is none. The page is our own.
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     "--window-size=1280,900", "--disable-background-networking", "--no-first-run"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service(DRIVER), options=options)


class Page(unittest.TestCase):
    """Each test opens a page of its own; the browser and the reports are shared."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="svcbench-report-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.browser = start()
        cls.addClassCleanup(cls.browser.quit)
        everything = [runs.compare(), runs.ebpf(), runs.chapter(), runs.verify(), runs.churn()]
        cls.whole = cls.report("whole", everything)
        cls.one = cls.report("one", [runs.compare()])

    @classmethod
    def report(cls, name, documents):
        files = []
        for i, document in enumerate(documents):
            files.append(os.path.join(cls.folder, f"{name}-{i}.json"))
            with open(files[-1], "w", encoding="utf-8") as file:
                json.dump(document, file)
        page = os.path.join(cls.folder, f"{name}.html")
        subprocess.run([SVCBENCH, "report", *files, "-o", page], check=True)
        return page

    def open(self, page, width=1280, scheme="light"):
        self.cdp("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.browser.get_log("performance")
        self.browser.get("about:blank")
        self.browser.get(f"file://{page}")
        self.assertTrue(self.js("return document.documentElement.dataset.ready"), "the page's script did not end")

    def cdp(self, command, **arguments):
        return self.browser.execute_cdp_cmd(command, arguments)

    def js(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def tearDown(self):
        errors = self.browser.get_log("browser")
        self.assertEqual(errors, [], "the console is not silent")

    # The place of a point in the viewport, and its value in the chart.
    def point(self, canvas, name, index):
        return self.js(
            """const canvas = document.getElementById(arguments[0]);
            canvas.scrollIntoView({block: "center", behavior: "instant"});
            const chart = Chart.getChart(canvas);
            const at = chart.data.datasets.findIndex((set) => set.label === arguments[1]);
            const element = chart.getDatasetMeta(at).data[arguments[2]];
            const box = canvas.getBoundingClientRect();
            return {x: box.left + element.x, y: box.top + element.y};""", canvas, name, index)

    def hover(self, place):
        self.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
        self.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=place["x"], y=place["y"])
        time.sleep(0.1)
        return self.js("const tip = document.getElementById('tip'); return tip.hidden ? '' : tip.innerText")

    def background(self):
        return self.js("return getComputedStyle(document.body).backgroundColor")

    # ---- what is there ----

    def test_every_section_of_every_run(self):
        self.open(self.whole)
        ids = self.js("return [...document.querySelectorAll('main > section')].map((one) => one.id)")
        self.assertEqual(ids, ["verdicts", "figure-4-1", "table-4-2", "growth", "latency", "throughput", "sync", "program", "behaviour", "churn",
                               "calibration", "evidence", "environment"])
        self.assertEqual(self.js("return document.querySelectorAll('.verdict .outcome').length"), 3)
        self.assertEqual(self.js("return document.getElementById('verdicts-title').textContent"),
                         "On this evidence, 1 of 3 claims hold, 1 does not, 1 is inconclusive.")

    def test_a_section_only_if_a_run_has_it(self):
        chapter = self.report("chapter", [runs.chapter()])
        self.open(chapter)
        ids = self.js("return [...document.querySelectorAll('main > section')].map((one) => one.id)")
        self.assertEqual(ids, ["verdicts", "figure-4-1", "evidence", "environment"])

    def test_every_chart_is_drawn_and_has_its_table(self):
        self.open(self.whole)
        figures = self.js(
            """return [...document.querySelectorAll("figure.chart")].map((figure) => {
                 const canvas = figure.querySelector("canvas");
                 const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                 const colours = new Set();
                 for (let i = 0; i < pixels.length; i += 4) {
                   if (pixels[i + 3] > 200) colours.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2]);
                 }
                 const chart = Chart.getChart(canvas);
                 const sets = chart.data.datasets.filter((set) => set.series || set.part || set.cells);
                 return {id: figure.id, bars: chart.config.type === "bar", colours: colours.size, label: canvas.getAttribute("aria-label"), sets: sets.length,
                         rows: figure.querySelectorAll("table tbody tr").length,
                         columns: figure.querySelectorAll("table thead th").length,
                         numbers: [...figure.querySelectorAll("table td")].filter((td) => /\\d/.test(td.textContent)).length,
                         titles: [chart.options.scales.x.title.text, chart.options.scales.y.title?.text || ""]};
               });""")
        self.assertEqual(len(figures), 12)
        for figure in figures:
            with self.subTest(figure["id"]):
                self.assertGreater(figure["colours"], 5)
                self.assertGreaterEqual(figure["columns"], figure["sets"] + 1)
                self.assertGreaterEqual(figure["rows"], 3)
                self.assertGreater(figure["numbers"], 5 if figure["columns"] > 2 else 2)
                self.assertIn("table below", figure["label"])
                self.assertTrue(all(figure["titles"]) or figure["bars"])

    def test_a_table_says_what_its_chart_draws(self):
        self.open(self.one)
        table, points = self.js(
            """const figure = document.getElementById("growth-new-last-0");
            const rows = [...figure.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => cell.innerText));
            figure.querySelector("details").open = true;
            const chart = Chart.getChart(figure.querySelector("canvas"));
            const sets = chart.data.datasets.filter((set) => set.series);
            return [[...figure.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => cell.innerText)),
                    sets.map((set) => set.data.map((point) => [point.x, point.y]))];""")
        self.assertEqual([row[0] for row in table[:3]], ["100", "500", "1,000"])
        self.assertEqual(table[2][3].split(), ["14.1", "µs", "[13.4,", "15.5]"])
        self.assertAlmostEqual(points[2][2][1], 5000 * 10 ** 0.45)
        self.assertIn("0.45", table[3][3])

    def test_whiskers_are_the_intervals(self):
        self.open(self.one)
        bars = self.js(
            """const chart = Chart.getChart("canvas-growth-new-last-0");
            const at = chart.data.datasets.findIndex((set) => set.label === "interval");
            const bar = chart.getDatasetMeta(at).data[0].getProps(["y", "base", "x"]);
            const y = chart.scales.y;
            return [y.getValueForPixel(bar.y), y.getValueForPixel(bar.base), chart.scales.x.getValueForPixel(bar.x)];""")
        self.assertAlmostEqual(max(bars[:2]) / (1800 * 1.1), 1, 2)
        self.assertAlmostEqual(min(bars[:2]) / (1800 * 0.95), 1, 2)
        self.assertAlmostEqual(bars[2] / 100, 1, 3)

    # ---- hovering, keys, switches ----

    def test_hovering_tells_value_interval_and_count(self):
        self.open(self.one)
        told = self.hover(self.point("canvas-growth-new-last-0", "iptables-nft", 2))
        self.assertEqual(told.split("\n"), ["iptables-nft, 1,000 services", "14.09 µs", "95 % interval [13.39, 15.50]",
                                            "12 samples", "exactly 14,091.9 ns"])
        # Nor is it the whisker's end that is told of, or the fit's, but the figure.
        place = self.point("canvas-growth-new-last-0", "iptables-nft", 1)
        place["y"] += self.js("const y = Chart.getChart('canvas-growth-new-last-0').scales.y; const b = 5000 * 5 ** 0.45;"
                              "return y.getPixelForValue(b * 1.1) - y.getPixelForValue(b)")
        self.assertIn("iptables-nft, 500 services\n10.32 µs", self.hover(place))
        self.assertEqual(self.hover({"x": 3, "y": 3}), "")
        told = self.hover(self.point("canvas-latency-new-0", "nftables", 0))
        self.assertIn("nftables, p50\n4.232 µs\n10,000 of 20,000 packets took longer\nmedian of 12 volleys 4.20 µs", told)

    def test_hovering_over_a_crossing_and_over_a_part(self):
        self.open(self.whole)
        place = self.js(
            """const canvas = document.getElementById("canvas-growth-change-0");
            canvas.scrollIntoView({block: "center", behavior: "instant"});
            const chart = Chart.getChart(canvas);
            const at = chart.data.datasets.findIndex((set) => set.mark);
            const element = chart.getDatasetMeta(at).data[0];
            const box = canvas.getBoundingClientRect();
            return {x: box.left + element.x, y: box.top + element.y};""")
        self.assertIn("iptables-legacy becomes costlier than nftables at N = 125 [110, 140]", self.hover(place))
        place = self.point("canvas-program-chart-1", "DNAT and checksums", 0)
        place["x"] -= 3  # a bar's point is its end
        told = self.hover(place)
        self.assertIn("XDP, hot: DNAT and checksums\n60.00 ns\nof 130.0 ns [123.5, 143.0]", told)

    def test_bars_tell_what_was_measured_and_what_was_not(self):
        self.open(self.whole)
        place = self.point("canvas-throughput-chart-0", "later packets", 1)
        place["x"] -= 3  # a bar's point is its end
        self.assertEqual(self.hover(place).split("\n"),
                         ["iptables-legacy: later packets", "515.0 k packets/s", "95 % interval [500.0, 530.0]", "7 samples"])
        place = self.point("canvas-fill-chart-1", "fill of empty maps", 2)
        place["x"] -= 3
        self.assertIn("mapped: fill of empty maps\n1.000 ms\n95 % interval [0.950, 1.100]", self.hover(place))
        place = self.point("canvas-sync-chart-0", "its tool, system time", 0)
        place["x"] -= 3
        self.assertIn("iptables-legacy: its tool, system time\n30.00 ms\nof 100.0 ms", self.hover(place))
        tables = self.js(
            """return ["throughput-chart-0", "sync-chart-0", "fill-chart-1"].map((id) => {
                 document.querySelector(`#${id} details`).open = true;
                 return [...document.querySelectorAll(`#${id} tr`)].map((row) => [...row.cells].map((cell) => cell.innerText));
               });""")
        self.assertEqual(tables[0][0], ["plane", "first packets of flows", "later packets"])
        self.assertEqual(tables[0][4][0], "nftables")
        self.assertEqual(tables[0][4][2], "–")  # nothing was measured, and nothing is drawn
        self.assertEqual(tables[1][0], ["plane", "generating text or messages", "its tool, user time", "its tool, system time",
                                        "the rest of the commit", "whole"])
        self.assertEqual(tables[1][1][:5], ["iptables-legacy", "10.0 ms", "20.0 ms", "30.0 ms", "40.0 ms"])
        self.assertEqual(tables[1][4][:5], ["eBPF, XDP", "10.0 ms", "–", "–", "90.0 ms"])
        self.assertEqual([row[0] for row in tables[2]], ["writes", "single", "batch", "mapped"])
        drawn = self.js("""const chart = Chart.getChart("canvas-throughput-chart-0");
                           return chart.data.datasets.map((set) => set.data);""")
        self.assertEqual(drawn[1][3], 0)
        self.assertAlmostEqual(drawn[0][0], 1e9 / 1800 * 1.03)

    def test_keys_reach_bars(self):
        self.open(self.whole)
        canvas = self.browser.find_element(By.ID, "canvas-throughput-chart-0")
        self.js("arguments[0].focus()", canvas)
        spoken = "return document.getElementById('spoken').textContent"
        keys = ActionChains(self.browser)
        keys.send_keys(Keys.ARROW_RIGHT).perform()
        self.assertIn("plain forwarding: first packets of flows, 572.2 k packets/s, 95 % interval", self.js(spoken))
        ActionChains(self.browser).send_keys(Keys.ARROW_DOWN, *[Keys.ARROW_RIGHT] * 3).perform()
        self.assertEqual(self.js(spoken), "nftables: later packets, not measured")
        ActionChains(self.browser).send_keys(Keys.ARROW_RIGHT, Keys.ENTER).perform()
        self.assertEqual(self.js("return document.activeElement.querySelector('code').textContent"),
                         "throughput/ebpf-xdp/1000/established/random/UDP")

    def test_own_flows_have_a_row_and_evidence(self):
        self.open(self.one)
        row = self.js(
            """const row = [...document.querySelectorAll("#table-4-2-0 tbody tr")]
                 .find((one) => one.cells[0].innerText.startsWith("own flows"));
               return [[...row.cells].map((cell) => cell.innerText.split("\\n")[0].trim()),
                       page_cell(row.querySelectorAll("a")[0])];
               function page_cell(link) {
                 return document.querySelector(link.getAttribute("href")).querySelector("code").textContent;
               }""")
        self.assertEqual(row[0][:5], ["own flows per 1,000 new flows", "–", "–", "–", "–"])
        self.assertTrue(row[0][5].startswith("2,000"))
        self.assertEqual(row[1], "state/ebpf-xdp/1000/flow-table")

    def test_linear_and_log(self):
        self.open(self.one)
        types = "return ['x', 'y'].map((axis) => Chart.getChart('canvas-growth-new-last-0').scales[axis].type)"
        self.assertEqual(self.js(types), ["logarithmic", "logarithmic"])
        self.browser.find_element(By.CSS_SELECTOR, "label[for=axes-linear]").click()
        self.assertEqual(self.js(types), ["linear", "linear"])
        self.assertEqual(self.js("return Chart.getChart('canvas-growth-new-last-0').scales.y.min"), 0)
        self.browser.find_element(By.CSS_SELECTOR, "label[for=axes-log]").click()
        self.assertEqual(self.js(types), ["logarithmic", "logarithmic"])

    def test_light_and_dark(self):
        pixel = ("const c = document.getElementById('canvas-growth-new-last-0');"
                 "return Chart.getChart(c).options.scales.y.ticks.color")
        self.open(self.one)
        light = (self.background(), self.js(pixel))
        self.assertEqual(light[0], "rgb(255, 255, 255)")
        self.browser.find_element(By.CSS_SELECTOR, "label[for=theme-dark]").click()
        dark = (self.background(), self.js(pixel))
        self.assertNotEqual(dark[0], light[0])
        self.assertNotEqual(dark[1], light[1])
        self.open(self.one, scheme="dark")  # the reader's own choice, by default
        self.assertEqual((self.background(), self.js(pixel)), dark)
        self.browser.find_element(By.CSS_SELECTOR, "label[for=theme-light]").click()
        self.assertEqual((self.background(), self.js(pixel)), light)

    def test_colours_can_be_told_from_the_page(self):
        names = ["ink", "muted", "link", "good", "bad", "open"]
        planes = ["null", "legacy", "nft", "nftables", "ipvs", "xdp", "tc", "sock", "book", "other"]
        for scheme in ("light", "dark"):
            self.open(self.one, scheme=scheme)
            ratios = self.js(
                """const value = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
                const light = (hex) => {
                  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
                    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                };
                return arguments[0].map((name) => {
                  const [a, b] = [light(value(name)), light(value("--paper"))].sort((x, y) => y - x);
                  return (a + 0.05) / (b + 0.05);
                });""", [f"--{name}" for name in names] + [f"--plane-{name}" for name in planes])
            for name, ratio in zip(names + planes, ratios):
                with self.subTest(f"{scheme}: {name}"):
                    self.assertGreaterEqual(ratio, 4.5 if name in names else 3)

    def test_keys_reach_points_tables_and_evidence(self):
        self.open(self.one)
        active = "return document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
        keys = ActionChains(self.browser)
        keys.send_keys(Keys.TAB).perform()
        self.assertEqual(self.js(active), "skip")
        seen = []
        for _ in range(120):
            ActionChains(self.browser).send_keys(Keys.TAB).perform()
            seen.append(self.js(active))
            if seen[-1] == "canvas-growth-new-last-0":
                break
        self.assertEqual(seen[-1], "canvas-growth-new-last-0", seen)
        spoken = "return document.getElementById('spoken').textContent"
        ActionChains(self.browser).send_keys(Keys.ARROW_RIGHT).perform()
        self.assertIn("plain forwarding, 100 services, 1.800 µs, 95 % interval [1.710, 1.980], 12 samples", self.js(spoken))
        ActionChains(self.browser).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN).perform()
        self.assertIn("iptables-legacy, 500 services", self.js(spoken))
        self.assertIn("iptables-legacy, 500 services", self.js("return document.getElementById('tip').textContent"))
        ActionChains(self.browser).send_keys(Keys.ENTER).perform()
        self.assertEqual(self.js("return document.activeElement.querySelector('code').textContent"),
                         "path/iptables-legacy/500/new/last/UDP")
        self.assertTrue(self.js("return document.getElementById('tip').hidden"))
        # The table behind the chart: its toggle is reached, and opens.
        self.js("document.getElementById('canvas-growth-new-last-0').focus()")
        for _ in range(12):
            ActionChains(self.browser).send_keys(Keys.TAB).perform()
            if self.js("return document.activeElement.tagName") == "SUMMARY":
                break
        ActionChains(self.browser).send_keys(Keys.ENTER).perform()
        self.assertTrue(self.js("return document.querySelector('#growth-new-last-0 details').open"))

    def test_figures_link_to_their_evidence(self):
        self.open(self.one)
        links = self.js("return [...document.querySelectorAll('#table-4-2 td a')].length")
        bare = self.js("return [...document.querySelectorAll('#table-4-2 td')]"
                       ".filter((td) => /\\d/.test(td.textContent) && !td.querySelector('a')).map((td) => td.textContent)")
        self.assertGreater(links, 40)
        self.assertEqual([text for text in bare if "BPF" not in text and "tables" not in text], [])
        link = self.browser.find_element(By.CSS_SELECTOR, "#table-4-2 td a")
        self.js("arguments[0].scrollIntoView({block: 'center'})", link)
        link.click()
        row = self.js("const row = document.querySelector('tr.sought'); const box = row.getBoundingClientRect();"
                      "return [row.innerText, box.top > 0 && box.bottom < innerHeight, document.activeElement === row]")
        self.assertTrue(row[0].startswith("growth/null/"), row[0])
        self.assertTrue(row[1] and row[2])

    def test_what_a_reader_of_screens_needs(self):
        self.open(self.whole)
        faults = self.js(
            """const faults = [];
            for (const one of document.querySelectorAll("table")) {
              if (!one.caption || !one.querySelector("th[scope=col]") || !one.querySelector("th[scope=row]")) {
                faults.push(`table ${one.caption?.textContent}`);
              }
            }
            for (const one of document.querySelectorAll("input")) if (one.labels.length === 0) faults.push(one.id);
            for (const one of document.querySelectorAll("canvas")) if (!one.getAttribute("aria-label")) faults.push(one.id);
            for (const one of document.querySelectorAll("section")) {
              if (!document.getElementById(one.getAttribute("aria-labelledby"))) faults.push(one.id);
            }
            const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
            faults.push(...ids.filter((id, i) => ids.indexOf(id) !== i));
            if (document.documentElement.lang !== "en" || document.querySelectorAll("h1, main").length !== 2) faults.push("page");
            return faults;""")
        self.assertEqual(faults, [])

    # ---- nothing in, nothing out ----

    def test_no_request_leaves_the_page(self):
        self.cdp("Network.enable")
        self.open(self.whole)
        self.js("window.scrollTo(0, document.body.scrollHeight)")
        time.sleep(0.2)
        events = [json.loads(line["message"])["message"] for line in self.browser.get_log("performance")]
        asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        self.assertEqual([url for url in asked if not url.startswith(("file://" + self.whole, "about:"))], [])
        self.assertIn(f"file://{self.whole}", asked)

    def test_the_policy_stops_what_would_ask(self):
        self.open(self.one)
        stopped = self.browser.execute_async_script(
            """const done = arguments[0];
            const seen = new Set();
            document.addEventListener("securitypolicyviolation", (event) => seen.add(event.effectiveDirective));
            const add = (tag, set) => document.body.append(Object.assign(document.createElement(tag), set));
            add("img", {src: "http://127.0.0.1:9/x.png"});
            add("script", {textContent: "window.pwned = 1"});
            add("style", {textContent: "body { display: none }"});
            fetch("http://127.0.0.1:9/").catch(() => 0);
            setTimeout(() => done([[...seen].sort(), window.pwned === undefined]), 300);""")
        self.browser.get_log("browser")  # which tells of it, as it should
        self.assertEqual(stopped, [["connect-src", "img-src", "script-src-elem", "style-src-elem"], True])

    def test_hostile_text_stays_text(self):
        run = runs.compare(planes={**runs.PLANES, HOSTILE: (3000, 0.1)})
        run["environment"]["cpu"]["model"] = HOSTILE
        run["environment"][HOSTILE] = HOSTILE
        run["run"]["command_line"] = f"./svcbench compare --cluster {HOSTILE}"
        run["run"]["workload"] = HOSTILE
        run["run"]["git_revision"] = HOSTILE
        run["notes"] = [HOSTILE]
        run["missing"] = [{"plane": HOSTILE, "why": HOSTILE}]
        run["verdicts"] = [{**runs.verdict(claim=HOSTILE), "evidence": [HOSTILE], "summary": HOSTILE}]
        behaviour = runs.verify()
        behaviour["cases"][0]["evidence"] = HOSTILE
        self.open(self.report("hostile", [run, behaviour]))
        self.assertEqual(self.js("return [document.images.length, window.pwned === undefined, "
                                 "document.querySelectorAll('script').length]"), [0, True, 5])
        for place in (".verdict h3", ".verdict li", ".subject", "#environment", "#table-4-2 thead"):
            if place != ".subject":  # of several runs it names none
                self.assertIn(HOSTILE.strip(), self.js("return document.querySelector(arguments[0]).textContent", place), place)
        told = self.hover(self.point("canvas-growth-new-last-0", HOSTILE, 0))
        self.assertIn("</script><script>window.pwned=1</script><img src=x", told)

    # ---- other sizes, other media ----

    def test_a_phone_scrolls_one_way_only(self):
        for page in (self.whole, self.one):
            for width in (320, 390):
                self.open(page, width=width)
                self.js("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
                self.assertLessEqual(self.js("return document.documentElement.scrollWidth"), width)
                wide = self.js("return [...document.querySelectorAll('canvas')].filter((one) => "
                               "one.getBoundingClientRect().right > innerWidth).length")
                self.assertEqual(wide, 0)
                # Lines are named above the chart there.
                self.assertFalse(self.js("return document.querySelector('.legend').hidden"))

    def test_on_paper(self):
        self.open(self.one, scheme="dark")
        self.js("window.dispatchEvent(new Event('beforeprint'))")
        self.cdp("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        state = self.js("return [Chart.getChart('canvas-growth-new-last-0').currentDevicePixelRatio,"
                        "getComputedStyle(document.querySelector('.bar')).display,"
                        "document.querySelector('.verdict details').open]")
        self.assertEqual(state, [3, "none", True])
        self.assertEqual(self.background(), "rgb(255, 255, 255)")
        self.cdp("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.js("window.dispatchEvent(new Event('afterprint'))")
        self.assertNotEqual(self.background(), "rgb(255, 255, 255)")
        self.assertFalse(self.js("return document.querySelector('.verdict details').open"))
        paper = base64.b64decode(self.cdp("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])
        self.assertTrue(paper.startswith(b"%PDF"))
        self.assertGreater(len(paper), 50_000)

    # ---- speed ----

    def timed_report(self, name, run):
        begin = time.monotonic()
        page = self.report(name, [run])
        return page, time.monotonic() - begin

    def ready_ms(self, page):
        self.open(page)
        return self.js("return Number(document.documentElement.dataset.ready)")

    def test_a_thousand_cells(self):
        planes = {f"plane-{i}": (1000 + 100 * i, 0.1) for i in range(10)}
        many, seconds = self.timed_report(
            "thousand", runs.compare(sizes=(100, 200, 500, 1000, 2000), planes=planes, protocols=("UDP", "TCP")))
        few, few_seconds = self.timed_report("few", runs.compare(sizes=(100, 200), planes=dict(list(planes.items())[:2])))
        pairs = [(self.ready_ms(many), self.ready_ms(few)) for _ in range(3)]
        self.open(few)
        few_cells = self.js("return document.querySelectorAll('#evidence tbody tr').length")
        self.open(many)
        cells = self.js("return document.querySelectorAll('#evidence tbody tr').length")
        print(f"{cells} and {few_cells} cells: rendered in {seconds:.2f} and {few_seconds:.2f} s, "
              f"{os.path.getsize(many) / 1e6:.2f} MB, interactive after {pairs} ms")
        self.assertGreaterEqual(cells, 1000)
        self.assertLess(os.path.getsize(many), 2e6)
        # As a multiple of the small page's beside it: no more than the cells are more.
        self.assertLess(min(ready / beside for ready, beside in pairs), cells / few_cells)


if __name__ == "__main__":
    unittest.main(verbosity=1)
