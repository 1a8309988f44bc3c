// Keeps the page up to date from the event stream. The elements are those of `view.rs`, in the same
// words. Whatever comes from the data goes in as text or as a value, and never as markup.
(() => {
  "use strict";

  const SHOWN = 3, MANY = 60, SLOTS = 40;
  const QUIET_MS = 12000, RETRY_MS = 3000, GRACE_MS = 2500;
  const SVG = new Set(["svg", "use", "path"]);
  const PATTERNS = [
    ["circuit_breaker", "Circuit breakers", ["State", "Name", "Failed", "Slow", "Calls", "Last changes"]],
    ["bulkhead", "Bulkheads", ["State", "Name", "In flight", "Waiting"]],
    ["rate_limit", "Rate limiters", ["State", "Name", "Available", "Waiting"]],
    ["budget", "Budgets", ["State", "Name", "Available", "Charged"]],
  ];

  // ---- elements

  function el(tag, attributes, ...children) {
    const node = SVG.has(tag)
      ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== ""));
    return node;
  }

  // Makes `old` look like `fresh` and keeps what the reader did: focus, and what is unfolded.
  function patch(old, fresh) {
    if (old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name, value } of fresh.attributes) {
      if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    patchChildren(old, [...fresh.childNodes]);
  }

  function patchChildren(parent, fresh) {
    const keyOf = (node) => (node.dataset && node.dataset.key !== undefined ? node.dataset.key : null);
    const keyed = new Map(), plain = [];
    for (const child of parent.childNodes) {
      if (keyOf(child) === null) plain.push(child);
      else keyed.set(keyOf(child), child);
    }
    let place = parent.firstChild;
    for (const child of fresh) {
      const key = keyOf(child);
      const known = key === null ? plain.shift() : keyed.get(key);
      if (key !== null) keyed.delete(key);
      if (known && known.nodeName === child.nodeName) {
        if (known === place) place = place.nextSibling;
        else parent.insertBefore(known, place);
        patch(known, child);
      } else {
        if (known === place && place) place = place.nextSibling;
        if (known) known.remove();
        parent.insertBefore(child, place);
      }
    }
    for (const child of [...plain, ...keyed.values()]) child.remove();
  }

  // ---- words

  function ago(now, at) {
    const millis = Math.abs(now - at);
    if (millis < 1500) return "just now";
    const seconds = Math.floor((millis + 500) / 1000);
    const [length, unit] =
      seconds < 60 ? [1, "s"] : seconds < 3600 ? [60, "min"] : seconds < 86400 ? [3600, "h"] : [86400, "d"];
    const text = `${Math.floor(seconds / length)} ${unit}`;
    return now >= at ? `${text} ago` : `in ${text}`;
  }

  function span(millis) {
    const [length, unit, decimals] =
      millis < 10 ? [1, "ms", 10]
      : millis < 1000 ? [1, "ms", 1]
      : millis < 60000 ? [1000, "s", 10]
      : millis < 3600000 ? [60000, "min", 1]
      : millis < 86400000 ? [3600000, "h", 10]
      : [86400000, "d", 10];
    return `${Math.round((millis / length) * decimals) / decimals} ${unit}`;
  }

  const number = (value) => (Number.isFinite(value) ? String(Math.round(value * 1000) / 1000) : "–");
  const percent = (share) => `${number(Math.round(share * 1000) / 10)} %`;
  const word = (text) => text.charAt(0).toUpperCase() + text.slice(1).replaceAll("_", " ");
  const count = (many, one, more) => `${many} ${many === 1 ? one : more}`;
  const list = (words) => (words.length ? words.join(", ") : "–");

  // ---- the state

  let now = 0;

  function view(data) {
    now = data.at;
    const checks = new Map(data.checks.map((check) => [check.name, check]));
    return [hero(data), cards(data, checks), tree(data, checks), policies(data)];
  }

  function hero(data) {
    return el("section", { class: "hero", "data-verdict": data.verdict, "aria-label": "Overall" },
      icon(data.verdict),
      el("div", null,
        el("p", { class: "word" }, word(data.verdict)),
        el("p", { class: "sum" }, sum(data.checks)),
        leaving(data.drain)));
  }

  function leaving(drain) {
    if (drain === null || drain.phases.length === 0) return null;
    const next = drain.phases[0];
    return el("p", { class: "leaving" },
      `Leaving: ${word(next.phase).toLowerCase()} `, age(next.at),
      `, with ${count(drain.in_flight, "request", "requests")} under way.`);
  }

  function sum(checks) {
    const all = checks.length, troubled = checks.filter((check) => check.verdict !== "healthy").length;
    if (all === 0) return "There are no checks.";
    if (troubled === 0) return all === 1 ? "The one check is healthy." : `All ${all} checks are healthy.`;
    if (troubled === 1) return `1 of ${count(all, "check", "checks")} is not healthy.`;
    return `${troubled} of ${all} checks are not healthy.`;
  }

  function cards(data, checks) {
    return el("section", { class: "cards", "aria-label": "Groups" },
      data.groups.map((group) => card(group, checks)));
  }

  function card(group, checks) {
    const all = group.checks.length;
    const troubled = group.checks.filter((name) => checks.has(name) && checks.get(name).verdict !== "healthy");
    const note = all === 0 ? "No checks"
      : troubled.length === 0 ? count(all, "check, healthy", "checks, all healthy")
      : `${troubled.length} of ${count(all, "check", "checks")} not healthy`;
    return el("article", { class: "card", "data-key": group.name, "data-verdict": group.verdict },
      el("h2", null, group.name),
      badge(group.verdict, group.verdict),
      group.reason === null ? null : el("p", { class: "reason" }, group.reason),
      el("p", { class: "note" }, note),
      troubled.length === 0 ? null : el("ul", null,
        troubled.slice(0, SHOWN).map((name) => el("li", null, name)),
        troubled.length <= SHOWN ? null : el("li", { class: "more" }, `and ${troubled.length - SHOWN} more`)));
  }

  function tree(data, checks) {
    return el("section", { id: "checks", tabindex: "-1", "aria-labelledby": "checks-title" },
      el("h2", { id: "checks-title" }, "Checks"),
      data.groups.filter((group) => group.checks.length > 0).map((group) =>
        el("details", {
          class: "group", "data-key": group.name, "data-verdict": group.verdict,
          open: data.checks.length <= MANY || group.verdict !== "healthy",
        },
          el("summary", null,
            el("span", { class: "name" }, group.name),
            el("span", { class: "note" }, count(group.checks.length, "check", "checks")),
            badge(group.verdict, group.verdict)),
          el("ul", null, group.checks.filter((name) => checks.has(name)).map((name) =>
            el("li", { "data-key": name }, row(checks.get(name))))))),
      data.checks.length === 0 ? empty("No checks have been added to the registry.") : null,
      more(data.omitted.checks, "more check", "more checks"));
  }

  function row(check) {
    const flags = [
      check.stale ? "stale" : null,
      check.flapping ? "flapping" : null,
      check.criticality === "critical" ? null : check.criticality.replaceAll("_", " "),
    ].filter(Boolean);
    return el("details", { class: "check", "data-verdict": check.verdict },
      el("summary", null,
        badge(check.verdict, check.verdict),
        el("span", { class: "name" }, check.name, flags.map((flag) => el("em", null, flag))),
        el("span", { class: "detail" }, check.detail || ""),
        history(check.history),
        el("span", { class: "when" }, check.last_run === null ? "not yet run" : age(check.last_run))),
      facts(check));
  }

  function facts(check) {
    const moment = (at) => (at === null ? plain("–") : age(at));
    const effect = {
      critical: "its groups count it as down",
      degraded_only: "its groups are degraded",
    }[check.criticality] || "it is shown, and counts for nothing";
    const rows = [
      ["Same verdict since", moment(check.since)],
      ["Last run", moment(check.last_run)],
      ["It took", plain(check.took_ms === null ? "–" : span(check.took_ms))],
      ["Observed", plain(check.observed === null ? "–" : `${number(check.observed.value)} ${check.observed.unit}`)],
      ["Runs every", plain(span(check.interval_ms))],
      ["Runs so far", plain(String(check.runs))],
      ["If it fails", plain(effect)],
      ["Looks at", plain(check.shared ? "something that all instances share" : "this instance alone")],
      ["Groups", plain(list(check.groups))],
      ["Tags", plain(list(check.tags))],
    ];
    return el("dl", null, rows.map(([name, value]) =>
      el("div", null, el("dt", null, name), el("dd", null, value))));
  }

  function history(all) {
    const runs = all.slice(-SLOTS), blank = SLOTS - runs.length;
    const bars = [["none", 36], ["healthy", 26], ["degraded", 14], ["down", 2]].map(([verdict, top]) => {
      let path = "";
      for (let slot = 0; slot < SLOTS; slot++) {
        const found = slot < blank ? "none" : runs[slot - blank].verdict;
        if (found === verdict) path += `M${slot * 10 + 5} 40V${top}`;
      }
      return el("path", { class: verdict, d: path });
    });
    const counts = ["healthy", "degraded", "down"]
      .map((verdict) => [runs.filter((run) => run.verdict === verdict).length, verdict])
      .filter(([many]) => many > 0)
      .map(([many, verdict]) => `${many} ${verdict}`);
    const label = counts.length ? `Last ${count(runs.length, "run", "runs")}: ${counts.join(", ")}` : "No history yet";
    return el("svg", { class: "history", viewBox: "0 0 400 40", role: "img", "aria-label": label }, bars);
  }

  function policies(data) {
    return el("section", { id: "policies", "aria-labelledby": "policies-title" },
      el("h2", { id: "policies-title" }, "Policies"),
      PATTERNS.map(([pattern, title, columns]) => {
        const rows = data.policies.filter((policy) => policy.pattern === pattern);
        return rows.length === 0 ? null : table(pattern, title, columns, rows);
      }),
      data.policies.length === 0 ? empty("This process has no policies.") : null,
      more(data.omitted.policies, "more policy", "more policies"));
  }

  function table(pattern, title, columns, rows) {
    return el("div", { class: "pattern", "data-key": pattern },
      el("table", { role: "table" },
        el("caption", null, title, el("span", { class: "note" }, String(rows.length))),
        el("thead", { role: "rowgroup" },
          el("tr", { role: "row" },
            columns.map((column) => el("th", { role: "columnheader", scope: "col" }, column)))),
        el("tbody", { role: "rowgroup" }, rows.map((policy) =>
          el("tr", { role: "row", "data-verdict": policy.verdict }, columns.map((column) =>
            el("td", { role: "cell", "data-label": column }, cell(policy, column))))))));
  }

  function cell(policy, column) {
    const levels = policy.levels, level = (name) => plain(number(levels[name] ?? 0));
    switch (column) {
      case "State": return state(policy);
      case "Name": return el("span", { class: "name" }, policy.name || "(unnamed)");
      case "Failed": return gauge(levels.failure_rate, percent(levels.failure_rate));
      case "Slow": return gauge(levels.slow_rate, percent(levels.slow_rate));
      case "Calls": return level("calls");
      case "In flight":
        return gauge(levels.in_flight / levels.max_calls, `${number(levels.in_flight)} of ${number(levels.max_calls)}`);
      case "Waiting": return level("waiting");
      case "Charged": return level("charged");
      case "Available": return level("available");
      default: return changes(policy.transitions);
    }
  }

  function state(policy) {
    const node = badge(policy.verdict, policy.state);
    if (policy.shut_until !== null) node.append(el("span", { class: "until" }, "next try ", age(policy.shut_until)));
    return node;
  }

  function gauge(share, text) {
    const end = Number.isFinite(share) ? Math.round(Math.min(Math.max(share * 100, 0), 100)) : 0;
    return el("span", { class: "gauge" }, text,
      el("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
        el("path", { class: "rest", d: "M0 3H100" }),
        el("path", { class: "fill", d: `M0 3H${end}` })));
  }

  function changes(transitions) {
    if (transitions.length === 0) return plain("none");
    return el("ul", { class: "changes" }, transitions.slice(-SHOWN).reverse().map((change) =>
      el("li", null, `${word(change.from)} → ${word(change.to)} `, age(change.at))));
  }

  function badge(verdict, text) {
    return el("span", { class: "badge", "data-verdict": verdict }, icon(verdict), plain(word(text)));
  }

  function icon(verdict) {
    return el("svg", { class: "icon", viewBox: "0 0 20 20", "aria-hidden": "true" }, el("use", { href: `#${verdict}` }));
  }

  const age = (at) => el("span", { class: "age", "data-at": String(at) }, ago(now, at));
  const plain = (text) => el("span", null, text);
  const empty = (text) => el("p", { class: "empty" }, text);
  const more = (many, one, rest) => (many > 0 ? empty(`and ${count(many, one, rest)}`) : null);

  // ---- what changed, for those who listen

  let verdicts = null;

  function announce(data) {
    const found = new Map();
    for (const group of data.groups) found.set(`Group ${group.name}`, group.verdict);
    for (const check of data.checks) found.set(check.name, check.verdict);
    for (const policy of data.policies) {
      if (policy.pattern === "circuit_breaker") found.set(`Circuit breaker ${policy.name}`, policy.state);
    }
    if (verdicts) {
      const news = [...found].filter(([name, verdict]) => verdicts.has(name) && verdicts.get(name) !== verdict)
        .map(([name, verdict]) => `${name}: ${word(verdict).toLowerCase()}`);
      if (news.length > SHOWN) news.splice(SHOWN, news.length, `and ${news.length - SHOWN} more`);
      if (news.length) byId("news").textContent = `${news.join(", ")}.`;
    }
    verdicts = found;
  }

  // ---- the stream

  const byId = (id) => document.getElementById(id);
  const clock = (at) => new Date(at).toLocaleTimeString();
  let heard = Date.now(), failed = null, ahead = 0, source = null, retry = null;

  function show(data) {
    const focused = document.activeElement;
    ahead = data.at - Date.now();
    patchChildren(byId("main"), view(data));
    if (focused && focused.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
    const phase = byId("phase");
    phase.dataset.phase = data.phase;
    phase.textContent = PHASES[data.phase] || word(data.phase);
    document.title = `${word(data.verdict)} · Status`;
    byId("favicon").href = byId("favicon").dataset[data.verdict];
    announce(data);
  }

  const PHASES = { serving: "In service", not_ready: "Leaving, not ready", closing: "Leaving, closing", rejecting: "Leaving, rejecting" };

  function alive() {
    heard = Date.now();
    failed = null;
    byId("lost").hidden = true;
    byId("live").dataset.state = "live";
    byId("live-text").textContent = "Live";
  }

  // A stream that comes to its end is taken up again at once, and no reader needs to know.
  function gone() {
    if (failed === null) failed = Date.now();
    if (Date.now() - failed < GRACE_MS) return;
    byId("live").dataset.state = "lost";
    byId("live-text").textContent = "Not live";
    const text = `Not live since ${clock(heard)}. This is the last known state; trying to reconnect.`;
    if (byId("lost-text").textContent !== text || byId("lost").hidden) {
      byId("lost").hidden = false;
      byId("lost-text").textContent = text;
    }
  }

  function connect() {
    clearTimeout(retry);
    retry = null;
    if (source) source.close();
    source = new EventSource(document.body.dataset.events);
    source.addEventListener("status", (event) => {
      alive();
      show(JSON.parse(event.data));
    });
    source.addEventListener("beat", alive);
    source.addEventListener("error", () => {
      gone();
      // The browser gives up after an answer that is no stream: the places may be taken.
      if (source.readyState === EventSource.CLOSED && retry === null) retry = setTimeout(connect, RETRY_MS);
    });
  }

  setInterval(() => {
    const at = Date.now() + ahead;
    if (verdicts) {
      for (const node of document.querySelectorAll(".age")) {
        const text = ago(at, Number(node.dataset.at));
        if (node.textContent !== text) node.textContent = text;
      }
    }
    if (source === null) return;
    if (failed !== null) gone();
    else if (Date.now() - heard > QUIET_MS) {
      gone();
      connect();
    }
  }, 1000);

  // ---- the theme

  const themes = [...document.querySelectorAll("#themes button")];

  function theme(chosen) {
    document.documentElement.dataset.theme = chosen;
    for (const button of themes) button.setAttribute("aria-pressed", String(button.value === chosen));
  }

  for (const button of themes) {
    button.addEventListener("click", () => {
      theme(button.value);
      try { localStorage.setItem("theme", button.value); } catch { /* It is kept for this page only. */ }
    });
  }
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* Nothing is kept. */ }
  theme(themes.some((button) => button.value === kept) ? kept : "auto");
  byId("themes").hidden = false;

  if (document.body.dataset.events) {
    byId("live-text").textContent = "Connecting";
    connect();
  }
})();
