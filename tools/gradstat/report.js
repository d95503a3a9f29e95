// Charts share their range; a click on a row of the tables goes to it. `data` is written by gradstat.
(() => {
  'use strict';
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const runColors = dark ? ['#5aa9e6', '#ff9a52', '#4fc79a', '#e39ac6', '#f2c14e', '#9bd4f5', '#dddddd']
                         : ['#0072b2', '#d55e00', '#009e73', '#b8558f', '#b07800', '#3a8fc0', '#000000'];
  const roleColors = dark ? { 'before clipping': '#f0a04b', 'after clipping': '#5bc27a', threshold: '#cccccc', 'abandoned branches': '#b79ae0' }
                          : { 'before clipping': '#f0a04b', 'after clipping': '#1a7f37', threshold: '#222222', 'abandoned branches': '#9467bd' };
  const alarm = dark ? '255,138,128' : '179,38,30';
  const charts = [];
  let moving = false;

  const short = v => {
    if (v === null || v === undefined || Number.isNaN(v)) return '-';
    const a = Math.abs(v);
    return a !== 0 && (a < 1e-3 || a >= 1e6) ? v.toExponential(2).replace(/\.?0+e/, 'e') : String(+v.toPrecision(4));
  };
  const count = v => {
    if (data.axis === 'step') return String(Math.round(v));
    for (const [unit, size] of [['T', 1e12], ['B', 1e9], ['M', 1e6], ['K', 1e3]])
      if (Math.abs(v) >= size) return +(v / size).toPrecision(4) + unit;
    return String(Math.round(v));
  };
  const escaped = text => text.replace(/[&<>"]/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);

  function line(canvas, area, x, color, dash) {
    if (x < area.x || x > area.x + area.w) return;
    canvas.strokeStyle = color;
    canvas.setLineDash(dash);
    canvas.beginPath();
    canvas.moveTo(Math.round(x) + .5, area.y);
    canvas.lineTo(Math.round(x) + .5, area.y + area.h);
    canvas.stroke();
    canvas.setLineDash([]);
  }
  // Many lines would hide what they mark: a tick at the upper edge each, until one zooms in.
  function marks(canvas, area, g) {
    const [low, high] = g.xAxisRange();
    const many = data.marks.filter(m => m.x >= low && m.x <= high).length > 24;
    for (const m of data.marks) {
      const color = m.incident ? (data.runs.length > 1 ? runColors[m.run % runColors.length] : `rgba(${alarm},.75)`)
                               : m.phase ? 'rgba(128,128,128,.9)' : 'rgba(128,128,128,.5)';
      const at = many && !m.phase ? { x: area.x, y: area.y, w: area.w, h: 8 } : area;
      line(canvas, at, g.toDomXCoord(m.x), color, m.incident || m.phase ? [] : [3, 3]);
    }
    canvas.fillStyle = `rgba(${alarm},.85)`;
    for (const at of data.nonfinite) {
      const x = g.toDomXCoord(at);
      if (x >= area.x && x <= area.x + area.w) canvas.fillRect(x - 2, area.y, 5, 5);
    }
  }
  function follow(g, first) {
    if (moving || first) return;
    moving = true;
    const range = g.xAxisRange();
    for (const other of charts) if (other !== g) other.updateOptions({ dateWindow: range });
    moving = false;
    if (heat) heat.draw();
  }
  function legend(shown) {
    const at = shown.x === undefined ? '' : `<span>${data.axis} <b>${count(shown.x)}</b></span>`;
    return at + shown.series.filter(s => s.isVisible).map(s =>
      `<span><i style="background:${s.color}"></i>${escaped(s.label)}${s.y === undefined || s.y === null ? '' : ` <b>${short(s.y)}</b>`}</span>`).join('');
  }

  const lowest = Object.keys(data.charts).pop();  // that chart names the x axis
  function chart(id, options) {
    const holder = document.getElementById(id), source = data.charts[id];
    if (!holder || !source) return null;
    const series = {};
    for (const c of source.curves) {
      series[c.label] = { color: roleColors[c.role] && (data.runs.length === 1 || c.role !== 'abandoned branches') ? roleColors[c.role] : runColors[c.run % runColors.length] };
      if (c.role === 'abandoned branches') Object.assign(series[c.label], { drawPoints: true, pointSize: 2, strokeWidth: 0 });
      if (c.role === 'before clipping') series[c.label].strokeWidth = 2.4;
      if (c.role === 'threshold') Object.assign(series[c.label], { strokePattern: [2, 3], strokeWidth: 1 });
    }
    const g = new Dygraph(holder, source.rows, Object.assign({
      labels: [data.axis].concat(source.curves.map(c => c.label)), series, colors: source.curves.map(c => series[c.label].color),
      logscale: source.log, labelsDiv: holder.previousElementSibling, legend: 'always', legendFormatter: legend,
      connectSeparatedPoints: true, underlayCallback: marks, drawCallback: follow, animatedZooms: false, strokeWidth: 1.3,
      gridLineColor: dark ? '#33363a' : '#e3e3de', axisLineColor: dark ? '#55595e' : '#b5b5ae', highlightCircleSize: 3,
      axes: { y: { axisLabelWidth: 54, axisLabelFormatter: short }, x: { axisLabelFormatter: count, pixelsPerLabel: 70 } },
      xlabel: id === lowest ? data.axis : '', xLabelHeight: id === lowest ? 16 : 0,
      xRangePad: 5, yRangePad: 8 }, options));
    charts.push(g);
    return g;
  }

  // Layers over steps. The x axis is that of the charts: their margins and their range.
  class HeatMap {
    constructor(holder) {
      this.holder = holder;
      this.canvas = holder.querySelector('canvas');
      this.note = document.getElementById('heat-note');
      this.quantity = document.getElementById('heat-quantity');
      this.branch = document.getElementById('heat-line');
      this.mode = document.getElementById('heat-mode');
      data.heat.quantities.forEach((q, i) => this.quantity.add(new Option(q.title, i)));
      data.heat.lines.forEach((l, i) => this.branch.add(new Option(l.title, i)));
      for (const s of [this.quantity, this.branch, this.mode]) s.onchange = () => this.draw();
      this.canvas.onmousemove = e => this.point(e);
      this.canvas.onclick = e => this.point(e);
      this.canvas.onmouseleave = () => this.say(null);
      addEventListener('resize', () => this.draw());
    }
    state() {
      const q = data.heat.quantities[this.quantity.value || 0];
      const relative = this.mode.value === 'relative';
      return { q, values: relative ? q.relative : q.values, scale: relative ? q.relativeScale : q.scale, relative,
               columns: data.heat.lines[this.branch.value || 0].columns };
    }
    color(v, scale) {
      const f = scale.log ? Math.log : x => x;
      const share = (f(v) - f(scale.low)) / (f(scale.high) - f(scale.low));
      const c = data.heat.palette[Math.max(0, Math.min(63, Math.round(share * 63)))];
      return `rgb(${c})`;
    }
    place() {
      const g = charts[0], width = this.holder.clientWidth;
      if (!g) return { left: 60, width: width - 70, x: () => 0 };
      const area = g.getArea();
      return { left: area.x, width: area.w, x: v => g.toDomXCoord(v) };
    }
    // Edges of the columns: halfway to the neighbours, as far out at the ends.
    edges(columns) {
      const at = columns.map(c => data.heat.columns[c].x);
      const cells = [];
      for (let i = 0; i < at.length; ++i) {
        const left = i > 0 ? (at[i] - at[i - 1]) / 2 : at.length > 1 ? (at[1] - at[0]) / 2 : .5;
        const right = i + 1 < at.length ? (at[i + 1] - at[i]) / 2 : left;
        cells.push([at[i] - left, at[i] + right]);
      }
      return cells;
    }
    draw() {
      const { q, values, scale, columns, relative } = this.state(), layers = values.length;
      const row = Math.max(7, Math.min(22, Math.floor(360 / layers))), height = row * layers, top = 9, foot = 62 + top;
      const ratio = devicePixelRatio || 1, width = this.holder.clientWidth;
      this.canvas.style.height = height + foot + 'px';
      this.canvas.width = width * ratio;
      this.canvas.height = (height + foot) * ratio;
      const c = this.canvas.getContext('2d'), place = this.place(), cells = this.edges(columns);
      const quiet = getComputedStyle(document.documentElement).getPropertyValue('--quiet');
      c.scale(ratio, ratio);
      c.translate(0, top);
      c.fillStyle = dark ? '#202225' : '#f5f5f2';
      c.fillRect(place.left, 0, place.width, height);
      c.save();
      c.beginPath();
      c.rect(place.left, -top, place.width, height + top);
      c.clip();
      // Records at incidents lie close: they are drawn last and never thinner than one can see.
      const least = 3, boxes = columns.map((column, i) => {
        const x0 = place.x(cells[i][0]), x1 = place.x(cells[i][1]), w = x1 - x0 + .5;
        return { column, x: w < least ? (x0 + x1 - least) / 2 : x0, w: Math.max(w, least) };
      }).filter(b => b.x + b.w >= place.left && b.x <= place.left + place.width);
      for (const b of boxes.sort((a, z) => z.w - a.w)) {
        for (let l = 0; l < layers; ++l) {
          const v = values[l][b.column];
          if (v === null || v === undefined) continue;
          c.fillStyle = this.color(v, scale);
          // Layer 0 is at the bottom, where the input comes in.
          c.fillRect(b.x, (layers - 1 - l) * row, b.w, row);
        }
      }
      for (const m of data.marks) if (m.incident) line(c, { x: place.left, y: -top, w: place.width, h: top - 2 }, place.x(m.x), `rgba(${alarm},1)`, []);
      c.restore();
      this.top = top;
      this.rowHeight = row;
      c.fillStyle = quiet;
      c.font = '12px system-ui, sans-serif';
      c.textAlign = 'right';
      c.textBaseline = 'middle';
      const every = Math.max(1, Math.ceil(layers * 14 / height));
      for (let l = 0; l < layers; l += every) c.fillText(l, place.left - 6, (layers - 1 - l) * row + row / 2);
      this.foot(c, place, height, scale, relative);
      this.say(null);
    }
    // The range of steps, then the scale of colours.
    foot(c, place, height, scale, relative) {
      const g = charts[0], range = g ? g.xAxisRange().map(x => Math.max(0, x)) : [0, 0];
      c.textBaseline = 'top';
      c.textAlign = 'left';
      c.fillText(count(range[0]), place.left, height + 5);
      c.textAlign = 'right';
      c.fillText(count(range[1]), place.left + place.width, height + 5);
      c.textAlign = 'center';
      c.fillText(`layer over ${data.axis}`, place.left + place.width / 2, height + 5);
      const wide = Math.min(300, place.width), y = height + 26;
      for (let i = 0; i < 64; ++i) {
        c.fillStyle = `rgb(${data.heat.palette[i]})`;
        c.fillRect(place.left + wide * i / 64, y, wide / 64 + 1, 12);
      }
      c.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--quiet');
      const middle = scale.log ? Math.sqrt(scale.low * scale.high) : (scale.low + scale.high) / 2, sign = relative ? '\u00d7' : '';
      c.textAlign = 'left';
      c.fillText(sign + short(scale.low), place.left, y + 17);
      c.textAlign = 'center';
      c.fillText(sign + short(middle), place.left + wide / 2, y + 17);
      c.textAlign = 'right';
      c.fillText(sign + short(scale.high), place.left + wide, y + 17);
      if (place.width > wide + 170) {
        c.textAlign = 'left';
        c.fillText((scale.log ? 'logarithmic' : 'linear') + (relative ? ', over the median of the layer' : ''), place.left + wide + 14, y);
      }
    }
    point(e) {
      const { q, values, columns } = this.state();
      const box = this.canvas.getBoundingClientRect(), place = this.place();
      const layer = values.length - 1 - Math.floor((e.clientY - box.top - this.top) / this.rowHeight), x = e.clientX - box.left;
      const cells = this.edges(columns);
      const i = cells.findIndex(cell => x >= place.x(cell[0]) && x < place.x(cell[1]));
      this.say(i < 0 || layer < 0 || layer >= values.length ? null : { layer, column: columns[i], q });
    }
    say(at) {
      if (!at) {
        this.note.innerHTML = '&nbsp;';
        return;
      }
      const column = data.heat.columns[at.column];
      const steps = column.first === column.last ? `step ${column.first}` : `${at.q.lowest ? 'lowest' : 'highest'} of steps ${column.first} to ${column.last}`;
      this.note.innerHTML = `<span>layer <b>${at.layer}</b></span><span>${steps}, segment ${column.segment}</span>` +
        `<span><b>${short(at.q.values[at.layer][at.column])}</b></span><span>\u00d7<b>${short(at.q.relative[at.layer][at.column])}</b> of the layer's median</span>`;
    }
  }

  let heat = null;
  chart('loss', {});
  const norms = chart('norms', {});
  chart('lr', { includeZero: true });
  chart('speed', { includeZero: true });
  const holder = document.getElementById('heat');
  if (holder && data.heat) {
    heat = new HeatMap(holder);
    heat.draw();
  }
  for (const button of document.querySelectorAll('button[data-log]')) {
    const g = button.dataset.log === 'norms' ? norms : charts[0];
    const label = () => { button.textContent = g && g.getOption('logscale') ? 'linear scale' : 'logarithmic scale'; };
    label();
    button.onclick = () => {
      if (g) g.updateOptions({ logscale: !g.getOption('logscale') });
      label();
    };
  }
  function zoom(range) {
    moving = true;
    for (const g of charts) g.updateOptions({ dateWindow: range });
    moving = false;
    if (heat) heat.draw();
  }
  const all = document.getElementById('all');
  if (all && charts.length) all.onclick = () => zoom(charts[0].xAxisExtremes());
  document.querySelectorAll('tr[data-x]').forEach(row => row.onclick = () => {
    const x = +row.dataset.x, [low, high] = charts[0].xAxisExtremes();
    const reach = data.axis === 'step' ? 125 : (high - low) / 40;
    zoom([x - reach, x + reach]);
    window.scrollTo({ top: 0, behavior: 'smooth' });
  });
})();
