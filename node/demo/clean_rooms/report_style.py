"""The report's style sheet: one text, light and dark by what the reader's system says.

Owns colours and spacing. Names no asset: fonts are the system's.
"""

STYLE = """
:root { color-scheme: light dark;
 --page: #f6f7f9; --card: #ffffff; --ink: #1b2330; --soft: #5d6b7e; --rule: #dfe4ea;
 --good: #12805c; --good-soft: #e2f4ec; --bad: #b3261e; --bad-soft: #fbe6e4; --accent: #2f5fd0;
 --c0: #2f5fd0; --c1: #d9772b; --c2: #1f8a70; --c3: #9a4fb5; --c4: #c23b5f; --c5: #6d7a1f; }
@media (prefers-color-scheme: dark) { :root {
 --page: #12161c; --card: #1a2029; --ink: #e7ecf3; --soft: #97a5b8; --rule: #2d3643;
 --good: #53c79b; --good-soft: #17352b; --bad: #f2867e; --bad-soft: #43211f; --accent: #86a8ff;
 --c0: #7fa3ff; --c1: #f0a05e; --c2: #57c7aa; --c3: #cf91e6; --c4: #f08aa5; --c5: #bcc95a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
 font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 40px 20px 64px; }
header h1 { font-size: 30px; line-height: 1.2; margin: 0 0 10px; letter-spacing: -0.01em; }
header p { color: var(--soft); max-width: 68ch; margin: 0 0 18px; }
h2 { font-size: 19px; margin: 44px 0 12px; letter-spacing: -0.005em; }
.caption { color: var(--soft); margin: 0 0 12px; max-width: 76ch; }
.badge { display: inline-block; border-radius: 999px; padding: 4px 14px; font-weight: 600;
 font-size: 14px; background: var(--good-soft); color: var(--good); }
.badge.bad { background: var(--bad-soft); color: var(--bad); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); gap: 12px; }
.fact, .card { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; }
.fact { padding: 14px 16px; } .fact b { display: block; font-size: 24px; font-weight: 650;
 font-variant-numeric: tabular-nums; line-height: 1.25; }
.fact span { color: var(--soft); font-size: 13.5px; }
.card { padding: 18px; margin: 0 0 16px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; color: var(--soft); font-weight: 600; vertical-align: bottom; }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--rule); }
tr:last-child td { border-bottom: 0; } td { font-variant-numeric: tabular-nums; }
td.sees { color: var(--accent); font-weight: 650; } td.none { color: var(--soft); }
code, .mono { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.good { color: var(--good); font-weight: 650; } .broken { color: var(--bad); font-weight: 650; }
ul.lines { list-style: none; margin: 0; padding: 0; font-size: 14.5px; }
ul.lines li { padding: 5px 0 5px 26px; text-indent: -26px; border-bottom: 1px solid var(--rule); }
ul.lines li:last-child { border: 0; }
ul.lines b { display: inline-block; width: 26px; text-indent: 0; }
dl { display: grid; grid-template-columns: 120px 1fr; gap: 4px 16px; margin: 0; font-size: 14px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
details + details { margin-top: 10px; } summary { cursor: pointer; font-weight: 600; }
details dl { margin-top: 10px; }
svg { display: block; max-width: 100%; height: auto; }
svg text { fill: var(--ink); font-size: 12px; } svg .small { font-size: 10px; fill: var(--soft); }
svg .label { fill: var(--soft); } svg .strong { font-weight: 650; fill: var(--ink); }
svg .rule { stroke: var(--rule); stroke-width: 1; } svg .axis { stroke: var(--soft); }
svg .edge { stroke: var(--soft); stroke-width: 1.4; opacity: 0.85; }
svg .across { stroke: var(--bad); stroke-width: 1.8; }
svg .edge.head { fill: var(--soft); stroke: none; }
svg .across.head { fill: var(--bad); stroke: none; }
svg .plot { stroke-width: 2.2; fill: none; } svg .dashed { stroke-dasharray: 5 4; }
svg .bar { fill: var(--accent); } svg .bar-soft { fill: var(--soft); opacity: 0.6; }
svg .suppressed { fill: var(--rule); } svg .empty { fill: none; stroke: var(--rule); }
svg .c0 { fill: var(--c0); } svg .c1 { fill: var(--c1); } svg .c2 { fill: var(--c2); }
svg .c3 { fill: var(--c3); } svg .c4 { fill: var(--c4); } svg .c5 { fill: var(--c5); }
svg .plot.c0 { stroke: var(--c0); } svg .plot.c1 { stroke: var(--c1); }
svg .plot.c2 { stroke: var(--c2); } svg .plot.c3 { stroke: var(--c3); }
svg .plot.c4 { stroke: var(--c4); } svg .plot.c5 { stroke: var(--c5); }
svg .plot { fill: none !important; }
footer { color: var(--soft); font-size: 13.5px; margin-top: 48px; }
"""
