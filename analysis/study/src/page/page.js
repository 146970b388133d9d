"use strict";
// The list of domains: filtered, sorted, paged; a row's dossier is built when it is opened. Everything shown goes through
// textContent (or value): whatever a stranger wrote is text.
(() => {
  const roll = JSON.parse(document.getElementById("data").textContent);
  const n = roll.domains.length;
  const number = new Intl.NumberFormat("en-GB");
  const at = (id) => document.getElementById(id);

  function make(tag, text, attributes) {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = text;
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    return element;
  }

  const word = (words, row) => words.list[words.of[row]];
  const verdict = (name, row) => (roll.verdicts[name] ? word(roll.verdicts[name], row) : "");
  const counts = roll.counts;

  function worst(row) {
    if (counts.refusing[row]) return verdict("both", row) === "deferred" || verdict("sts", row) === "deferred" ? "mail is refused" : "refused at some hosts";
    if (counts.downgrading[row]) return "open to an attacker";
    if (counts.lints[row]) return "could be better";
    return counts.unknowns[row] ? "not fully measured" : "nothing wrong";
  }
  const WORST = ["mail is refused", "refused at some hosts", "open to an attacker", "could be better", "not fully measured", "nothing wrong"];

  function protection(row) {
    const delivery = verdict("both", row), attacker = verdict("both_attacker", row);
    if (delivery === "no-mail") return "takes no mail";
    if (delivery === "deferred") return "mail is refused";
    if (attacker === "nothing") return "protected";
    if (attacker === "the-message") return "not protected";
    const sts = verdict("sts_attacker", row);
    return sts === "nothing" ? "protected by MTA-STS" : "unknown";
  }

  function span(seconds) {
    if (seconds === null || seconds === undefined) return "";
    if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
    return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
  }

  const policy = (row) => {
    const state = verdict("policy", row);
    return state === "valid" ? `${verdict("mode", row)}, ${span(counts.max_age[row])}` : state;
  };

  // Columns of the input's own in the list, which has no room for more; the others stand in the dossier.
  const INPUTS_MAX = 2;

  // A column: its head, its text, and what it is sorted by (text, where nothing is said). A narrow screen leaves out what is minor.
  const COLUMNS = [
    { head: "Domain", text: (row) => roll.domains[row] },
    {
      head: "Standing", text: worst,
      by: (row) => -(counts.refusing[row] * 1e9 + counts.downgrading[row] * 1e6 + counts.lints[row] * 1e3 + counts.unknowns[row]),
      bad: (row) => counts.refusing[row] > 0 || counts.downgrading[row] > 0,
    },
    ...roll.inputs.slice(0, INPUTS_MAX).map(([name, words]) => ({
      head: name, text: (row) => word(words, row),
      kind: [name, ...words.list].some((value) => value.length > 24) ? "input long" : "input",
    })),
    { head: "Against an attacker", text: protection },
    { head: "MTA-STS", kind: "minor", text: (row) => verdict("record", row) },
    { head: "Policy", kind: "minor", text: policy },
    { head: "STARTTLS", kind: "minor", text: (row) => verdict("starttls", row) },
    { head: "Certificates", kind: "minor", text: (row) => verdict("certificates", row) },
    { head: "DANE", kind: "minor", text: (row) => verdict("tlsa", row) },
    { head: "TLS-RPT", kind: "minor", text: (row) => verdict("tlsrpt", row) },
    { head: "Mail operator", kind: "minor long", text: (row) => verdict("mail_operator", row) || (verdict("mail_operator_by", row) === "own" ? "itself" : "") },
  ];
  if (counts.rank.some((rank) => rank !== null)) {
    COLUMNS.splice(1, 0, { head: "Rank", text: (row) => (counts.rank[row] === null ? "" : number.format(counts.rank[row])),
      by: (row) => (counts.rank[row] === null ? Infinity : counts.rank[row]), kind: "n minor" });
  }

  const state = { text: "", chosen: new Map(), sort: null, down: false, page: 0, size: 100 };
  let rows = [];

  // ---- what is shown

  function choose() {
    const text = state.text.trim().toLowerCase();
    const tests = [...state.chosen.values()].filter(Boolean);
    rows = [];
    for (let row = 0; row < n; row++) {
      if (text && !roll.domains[row].includes(text)) continue;
      if (tests.every((test) => test(row))) rows.push(row);
    }
    if (state.sort !== null) {
      const column = COLUMNS[state.sort];
      const by = column.by || column.text;
      const keys = new Map(rows.map((row) => [row, by(row)]));
      const sign = state.down ? -1 : 1;
      rows.sort((a, b) => {
        const x = keys.get(a), y = keys.get(b);
        return (x < y ? -1 : x > y ? 1 : 0) * sign || a - b;
      });
    }
    state.page = 0;
    show();
  }

  function show() {
    const pages = Math.max(1, Math.ceil(rows.length / state.size));
    state.page = Math.min(Math.max(0, state.page), pages - 1);
    const first = state.page * state.size;
    const shown = rows.slice(first, first + state.size);
    const body = at("roll").tBodies[0];
    body.replaceChildren(...shown.map(line));
    const of = rows.length === n ? "" : ` of ${number.format(n)}`;
    at("roll-count").textContent = rows.length === 0 ? "No domain is so." :
      `${number.format(first + 1)} to ${number.format(first + shown.length)} of ${number.format(rows.length)}${rows.length === n ? "" : " chosen"}${of}.`;
    for (const [index, head] of [...at("roll").tHead.rows[0].cells].entries()) {
      head.setAttribute("aria-sort", index !== state.sort ? "none" : state.down ? "descending" : "ascending");
      head.querySelector("span").textContent = index !== state.sort ? "" : state.down ? " ▼" : " ▲";
    }
    at("earlier").disabled = state.page === 0;
    at("later").disabled = state.page >= pages - 1;
    at("page-of").textContent = ` Page ${number.format(state.page + 1)} of ${number.format(pages)} `;
  }

  function line(row) {
    const tr = make("tr");
    for (const [index, column] of COLUMNS.entries()) {
      const td = make("td", undefined, { class: column.bad && column.bad(row) ? "bad" : column.kind });
      if (index === 0) {
        const open = make("button", column.text(row), { type: "button", class: "open", "aria-expanded": "false" });
        open.addEventListener("click", () => toggle(tr, open, row));
        td.append(open);
      } else {
        td.textContent = column.text(row);
      }
      tr.append(td);
    }
    return tr;
  }

  function toggle(tr, open, row) {
    const is_open = open.getAttribute("aria-expanded") === "true";
    open.setAttribute("aria-expanded", String(!is_open));
    if (is_open) {
      tr.nextElementSibling.remove();
      return;
    }
    const detail = make("tr", undefined, { class: "dossier" });
    const td = make("td", undefined, { colspan: String(COLUMNS.length) });
    td.append(...dossier(row));
    detail.append(td);
    tr.after(detail);
  }

  // ---- a dossier

  function findings(row) {
    const f = roll.findings;
    const all = [];
    for (let place = f.starts[row]; place < f.starts[row + 1]; place++) {
      all.push({
        rule: roll.rules[f.rule[place]], outcome: word(f.outcome, place), effect: word(f.effect, place),
        subject: word(f.subject, place), cause: word(f.cause, place), detail: word(f.detail, place),
      });
    }
    return all;
  }

  const EFFECTS = {
    refuse: "a sender that keeps to the standard refuses to deliver",
    downgrade: "a sender behaves as if there were no policy: mail is open to an attacker",
    unknown: "not known: it may be the path, and not the domain",
  };
  const DELIVERY = {
    authenticated: "delivers to the authenticated host, encrypted", encrypted: "delivers encrypted, to whoever answers",
    cleartext: "delivers in the clear", deferred: "does not deliver: it tries again, then bounces",
    "no-mail": "has nowhere to deliver", unknown: "unknown",
  };
  const ATTACKER = { "the-message": "; an active attacker gets the message", nothing: "; an active attacker gets nothing", unknown: "" };

  function list(pairs) {
    const dl = make("dl");
    for (const [name, value] of pairs) {
      if (value === undefined || value === null || value === "") continue;
      dl.append(make("dt", name), make("dd", value));
    }
    return dl;
  }

  // Findings that differ in nothing but their subject, as one.
  function alike(of) {
    const groups = new Map();
    for (const finding of of) {
      const key = JSON.stringify([finding.rule.name, finding.cause, finding.detail, finding.effect]);
      if (!groups.has(key)) groups.set(key, { ...finding, subjects: [] });
      groups.get(key).subjects.push(finding.subject);
    }
    return [...groups.values()];
  }

  function bullet(finding) {
    const li = make("li");
    const cause = finding.cause ? ` (${finding.cause})` : "";
    li.append(make("b", `${finding.rule.name}${cause}`), make("span", ` ${finding.subjects.join(", ")}`, { class: "soft" }));
    li.append(list([
      ["what", `${finding.rule.summary} [${finding.rule.section}]`], ["seen", finding.detail], ["effect", EFFECTS[finding.effect]],
      ["ask them", finding.rule.advice], ["reported as", finding.rule.report],
    ]));
    return li;
  }

  function bullets(of) {
    const ul = make("ul");
    ul.append(...of.map(bullet));
    return ul;
  }

  function dossier(row) {
    const parts = [];
    const all = findings(row);
    const found = alike(all.filter((finding) => finding.outcome === "violation"));
    const breaks = found.filter((finding) => finding.rule.effect !== "none");
    const better = found.filter((finding) => finding.rule.effect === "none");
    const unknown = all.filter((finding) => finding.outcome === "unknown");
    const matched = counts.mx_matched[row];
    if (roll.inputs.length) parts.push(make("h4", "In the list"), list(roll.inputs.map(([name, words]) => [name, word(words, row)])));
    parts.push(make("h4", "What stands"), list([
      ["MTA-STS record", verdict("record", row)], ["policy", policy(row)],
      ["MX hosts", matched === null ? counts.mx_hosts[row] : `${counts.mx_hosts[row]}, ${matched} match the policy`],
      ["STARTTLS", verdict("starttls", row)], ["valid certificates", verdict("certificates", row)],
      ["usable TLSA", verdict("tlsa", row)], ["TLS-RPT record", verdict("tlsrpt", row)],
      ["mail run by", operator("mail", row)], ["policy run by", operator("policy", row)],
    ]));
    parts.push(make("h4", "What a sender does"), list([
      ["without MTA-STS or DANE", fate("opportunistic", row)], ["with MTA-STS", fate("sts", row)], ["with DANE", fate("dane", row)],
      ["with both", fate("both", row)],
    ]));
    if (breaks.length) parts.push(make("h4", "What breaks, and what to ask them"), bullets(breaks));
    if (better.length) parts.push(make("h4", "What could be better"), bullets(better));
    if (unknown.length) {
      const why = new Map();
      for (const finding of unknown) {
        const key = `${finding.subject}: ${finding.detail || "it could not be told"}`;
        why.set(key, [...(why.get(key) || []), finding.rule.name]);
      }
      const ul = make("ul");
      for (const [key, rules] of why) {
        const li = make("li", key);
        li.append(make("div", `not judged: ${[...new Set(rules)].join(", ")}`, { class: "soft" }));
        ul.append(li);
      }
      parts.push(make("h4", "What could not be measured"), ul);
    }
    if (breaks.length + better.length) parts.push(letter(row, breaks, better));
    parts.push(...evidence(row));
    return parts;
  }

  const HOW = { mx: "named by MX", "first-mx": "named by the first MX of several", cname: "by alias", ns: "a guess by name servers" };
  function operator(kind, row) {
    const name = verdict(`${kind}_operator`, row), by = verdict(`${kind}_operator_by`, row);
    return name ? `${name} (${HOW[by] || by})` : by === "own" ? "the domain itself, as far as names tell" : by;
  }

  const fate = (sender, row) =>
    (DELIVERY[verdict(sender, row)] || verdict(sender, row)) + (ATTACKER[verdict(`${sender}_attacker`, row)] || "");

  // What to send to whoever runs the domain, as plain text.
  function letter(row, breaks, better) {
    const details = make("details");
    const domain = roll.domains[row];
    const lines = [`To whoever runs mail for ${domain}`, ""];
    for (const [title, of] of [["What breaks:", breaks], ["What could be better:", better]]) {
      if (!of.length) continue;
      lines.push(title, "");
      of.forEach((finding, index) => {
        lines.push(`${index + 1}. ${finding.rule.summary} [${finding.rule.section}]`, `   at: ${finding.subjects.join(", ")}`);
        if (finding.detail) lines.push(`   seen: ${finding.detail}`);
        if (EFFECTS[finding.effect]) lines.push(`   effect: ${EFFECTS[finding.effect]}`);
        lines.push(`   please: ${finding.rule.advice}`, "");
      });
    }
    const text = make("textarea", undefined, { readonly: true, "aria-label": `Letter about ${domain}`, spellcheck: "false" });
    text.value = lines.join("\n");
    details.append(make("summary", "As a letter"), text);
    return details;
  }

  // ---- evidence

  function evidence(row) {
    const of = roll.evidence.domains[row];
    if (!of) {
      return [make("p", "The evidence is not on this page, which holds that of the worst domains only; it is in the run.", { class: "soft" })];
    }
    const parts = [make("h4", "Evidence")];
    const dns = make("details");
    const ended = new Map(of.endings);
    const records = (items, name) => (items.length ? items.join("\n") : ended.get(name));
    dns.append(make("summary", "DNS records"));
    for (const [title, items, name] of [["MX", of.mx, "MX"], ["NS", of.ns, "NS"], ["TXT at _mta-sts", of.sts_txt, "_mta-sts TXT"],
      ["TXT at _smtp._tls", of.tlsrpt_txt, "_smtp._tls TXT"]]) {
      dns.append(make("div", title, { class: "soft" }), make("pre", records(items, name)));
    }
    parts.push(dns);
    if (of.policy) parts.push(fetched(of.policy));
    for (const host of of.mx_hosts) parts.push(mail_host(host));
    return parts;
  }

  function fetched(of) {
    const details = make("details");
    details.append(make("summary", "Policy"), list([
      ["asked for", `${of.url} at ${of.asked}`], ["alias of", of.alias], ["addresses", of.addresses.join(", ")], ["ended", of.ended],
      ["TLS", of.tls], ["status", of.status], ["content-type", of.content_type], ["location", of.location],
    ]));
    if (of.body !== null) details.append(make("pre", of.body));
    details.append(...of.chain.map(certificate));
    return details;
  }

  function mail_host(name) {
    const details = make("details");
    details.append(make("summary", `MX host ${name}`));
    const of = roll.evidence.hosts[name];
    if (!of) {
      details.append(make("p", "It was not probed, or had no room on this page.", { class: "soft" }));
      return details;
    }
    details.append(list([["addresses", of.addresses.join(", ")], ["alias of", of.alias], ["TLSA", of.tlsa.join("; ")]]));
    for (const session of of.sessions) {
      details.append(make("div", `${session.address} at ${session.asked}: ${session.ended}`, { class: "soft" }));
      if (session.reused_from) details.append(make("div", `not asked: as shown for ${session.reused_from} at this address`, { class: "soft" }));
      if (session.lines.length) details.append(make("pre", session.lines.join("\n")));
      if (session.tls) details.append(list([["TLS", session.tls]]));
      details.append(...session.chain.map(certificate));
    }
    return details;
  }

  function certificate(key) {
    const of = roll.evidence.certificates[key];
    if (!of) return list([["certificate", `${key}… (not on this page)`]]);
    return list([
      ["certificate", of.subject], ["issued by", of.issuer], ["valid", of.not_before && `${of.not_before} to ${of.not_after}`],
      ["names", of.names.join(", ")], ["key", of.key], ["SHA-256", of.sha256], ["unreadable", of.unreadable],
    ]);
  }

  // ---- controls

  function select(label, options, test) {
    const box = make("label", label);
    const control = make("select");
    control.append(make("option", "all", { value: "" }));
    for (const option of options) control.append(make("option", option, { value: option }));
    control.addEventListener("change", () => {
      const value = control.value;
      state.chosen.set(label, value === "" ? null : (row) => test(row, value));
      choose();
    });
    box.append(control);
    at("filters").append(box);
  }

  function controls() {
    const form = at("filters");
    form.addEventListener("submit", (event) => event.preventDefault());
    const box = make("label", "Domain");
    const input = make("input", undefined, { type: "search", placeholder: "part of a name", autocomplete: "off", spellcheck: "false" });
    input.addEventListener("input", () => {
      state.text = input.value;
      choose();
    });
    box.append(input);
    form.append(box);
    document.addEventListener("keydown", (event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        input.focus();
      }
    });
    select("Standing", WORST, (row, value) => worst(row) === value);
    for (const [name, words] of roll.inputs) {
      if (words.list.length <= 40) select(name, words.list.filter(Boolean).sort(), (row, value) => word(words, row) === value);
    }
    const violated = new Set();
    roll.findings.rule.forEach((rule, place) => {
      if (word(roll.findings.outcome, place) === "violation") violated.add(roll.rules[rule].name);
    });
    select("Violates", [...violated].sort(), (row, value) => {
      const f = roll.findings;
      for (let place = f.starts[row]; place < f.starts[row + 1]; place++) {
        if (roll.rules[f.rule[place]].name === value && word(f.outcome, place) === "violation") return true;
      }
      return false;
    });
    select("Rows a page", ["50", "500", "2000"], () => true);
    const size = form.lastElementChild.querySelector("select");
    size.options[0].textContent = "100";
    size.addEventListener("change", () => {
      state.size = Number(size.value) || 100;
      choose();
    });
  }

  function heads() {
    const tr = make("tr");
    for (const [index, column] of COLUMNS.entries()) {
      const th = make("th", undefined, { scope: "col", class: column.kind });
      const button = make("button", column.head, { type: "button" });
      button.append(make("span", ""));
      button.addEventListener("click", () => {
        state.down = state.sort === index && !state.down;
        state.sort = index;
        choose();
      });
      th.append(button);
      tr.append(th);
    }
    at("roll").tHead.append(tr);
  }

  function pager() {
    const step = (id, words, by) => {
      const button = make("button", words, { type: "button", id });
      button.addEventListener("click", () => {
        state.page += by;
        show();
        at("roll-count").scrollIntoView();
      });
      return button;
    };
    at("pages").append(step("earlier", "Earlier", -1), make("span", "", { id: "page-of" }), step("later", "Later", 1));
  }

  // A link to a closed table opens it.
  function open_target() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") target.open = true;
  }

  const left_out = [];
  if (roll.total > n) left_out.push(`The ${number.format(n)} worst of ${number.format(roll.total)} domains are on this page.`);
  const told = Object.keys(roll.evidence.domains).length;
  if (roll.inputs.length > INPUTS_MAX) {
    left_out.push(`Of the input's columns ${INPUTS_MAX} have one here; each domain has all of its own when it is chosen.`);
  }
  if (told < n) left_out.push(`Evidence is on it for the ${number.format(told)} worst; that of the others is in the run.`);
  if (roll.findings.left_out) left_out.push(`${number.format(roll.findings.left_out)} findings had no room.`);
  at("roll-about").textContent = "Worst first. Choose a domain to see what stands, what breaks, what to ask them, and the evidence; " +
    "press / to look for a name. " + left_out.join(" ");
  controls();
  heads();
  pager();
  choose();
  open_target();
  addEventListener("hashchange", open_target);
  // On paper every table stands open.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("section > details:not([open])")];
    opened.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((details) => { details.open = false; }));
  document.documentElement.dataset.ready = "yes";
})();
