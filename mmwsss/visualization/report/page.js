'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const find = (id) => document.getElementById(id);
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const percent = (value) => (value === null || value === undefined ? '–' : value.toFixed(1));
  const state = { threshold: data.threshold, page: 0, shown: [], open: null };

  // plots --------------------------------------------------------------------------------------
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const layout = (more) => {
    const axis = { gridcolor: color('--line'), zerolinecolor: color('--line'), automargin: true };
    const merged = {
      font: { color: color('--ink'), size: 13 },
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      margin: { l: 55, r: 15, t: 15, b: 45 },
      legend: { orientation: 'h', y: 1.12 },
      ...more,
    };
    merged.xaxis = { ...axis, ...merged.xaxis };
    merged.yaxis = { ...axis, ...merged.yaxis };
    return merged;
  };
  const options = { responsive: true, displaylogo: false };
  const plots = [];
  const plot = (element, draw) => {
    if (!element) return;
    const redraw = () => Plotly.react(element, ...draw(), options);
    plots.push(redraw);
    redraw();
  };

  const curve = data.curve;
  const at = (threshold) => {
    let best = 0;
    curve.thresholds.forEach((value, index) => {
      if (Math.abs(value - threshold) < Math.abs(curve.thresholds[best] - threshold)) best = index;
    });
    return best;
  };
  if (curve) {
    const traces = () => {
      const index = at(state.threshold);
      const lines = [['mIoU', '#0072b2'], ['FP', '#d55e00'], ['FN', '#cc79a7']]
        .filter(([name]) => curve[name])
        .map(([name, line]) => ({
          name: { mIoU: 'mIoU', FP: 'false positives', FN: 'false negatives' }[name],
          x: curve.thresholds,
          y: curve[name],
          mode: 'lines',
          line: { color: line, dash: name === 'mIoU' ? 'solid' : 'dot' },
        }));
      lines.push({
        name: 'chosen',
        x: [curve.thresholds[index]],
        y: [curve.mIoU[index]],
        mode: 'markers',
        marker: { size: 12, color: '#009e73' },
      });
      return lines;
    };
    plot(find('threshold-plot'), () => [
      traces(),
      layout({ xaxis: { title: { text: 'background threshold' } }, yaxis: { title: { text: '%' } } }),
    ]);
    const slider = find('threshold-slider');
    slider.min = Math.min(...curve.thresholds);
    slider.max = Math.max(...curve.thresholds);
    const follow = () => {
      state.threshold = Number(slider.value);
      const index = at(state.threshold);
      find('threshold-value').textContent = curve.thresholds[index].toFixed(2);
      find('threshold-miou').textContent = `mIoU ${percent(curve.mIoU[index])} %`;
    };
    slider.value = state.threshold;
    follow();
    slider.addEventListener('input', () => {
      follow();
      Plotly.react(find('threshold-plot'), traces(), find('threshold-plot').layout, options);
      document.querySelectorAll('canvas[data-layer=cam]').forEach((canvas) => canvas.redraw());
    });
  }

  const series = Object.keys(data.class_iou);
  if (series.length) {
    const names = Object.keys(data.class_iou[series[0]]);
    let sorted = { column: null, ascending: true };
    const table = find('class-table');
    const fill = () => {
      const rows = names.map((name) => [name, ...series.map((key) => data.class_iou[key][name])]);
      if (sorted.column !== null) {
        rows.sort((a, b) => {
          const [x, y] = [a[sorted.column], b[sorted.column]];
          const order = typeof x === 'string' ? x.localeCompare(y) : (x ?? -1) - (y ?? -1);
          return sorted.ascending ? order : -order;
        });
      }
      const head = make('tr');
      ['class', ...series.map((key) => data.titles[key])].forEach((title, column) => {
        const arrow = sorted.column === column ? (sorted.ascending ? ' ▲' : ' ▼') : '';
        const cell = make('th', { textContent: title + arrow, tabIndex: 0 });
        cell.setAttribute('role', 'button');
        if (column) cell.className = 'number';
        const sort = () => {
          sorted = { column, ascending: sorted.column === column ? !sorted.ascending : true };
          fill();
        };
        cell.addEventListener('click', sort);
        cell.addEventListener('keydown', (event) => event.key === 'Enter' && sort());
        head.append(cell);
      });
      table.replaceChildren(head, ...rows.map(([name, ...values]) => make('tr', {},
        make('td', { textContent: name }),
        ...values.map((value) => make('td', { className: 'number', textContent: percent(value) })))));
    };
    fill();
    plot(find('class-plot'), () => [
      series.map((key) => ({
        type: 'bar', name: data.titles[key], x: names, y: names.map((name) => data.class_iou[key][name]),
        marker: { color: data.colors[key] },
      })),
      layout({ barmode: 'group', yaxis: { title: { text: 'IoU %' }, range: [0, 100] } }),
    ]);
  }
  if (data.confusion) {
    plot(find('confusion-plot'), () => [[{
      type: 'heatmap', z: data.confusion.shares, x: data.confusion.names, y: data.confusion.names,
      colorscale: 'Cividis', zmin: 0, zmax: 100,
      hovertemplate: 'true %{y}<br>predicted %{x}<br>%{z:.1f} %<extra></extra>',
    }], layout({
      xaxis: { title: { text: 'predicted' } },
      yaxis: { title: { text: 'true' }, autorange: 'reversed' },
    })]);
  }
  document.querySelectorAll('[data-training]').forEach((element) => {
    const entry = data.training[Number(element.dataset.training)];
    plot(element, () => [
      entry.curves.map((line) => ({
        name: line.name, x: line.x, y: line.y, mode: line.x.length > 1 ? 'lines' : 'markers',
        yaxis: line.axis, visible: line.axis === 'y3' ? 'legendonly' : true,
      })),
      layout({
        xaxis: { title: { text: 'step' }, domain: [0, 0.92] },
        yaxis: { title: { text: 'loss' } },
        yaxis2: { title: { text: 'validation %' }, overlaying: 'y', side: 'right', showgrid: false },
        yaxis3: { overlaying: 'y', side: 'right', position: 0.99, showgrid: false, exponentformat: 'e' },
      }),
    ]);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change',
    () => plots.forEach((redraw) => redraw()));

  // image browser ------------------------------------------------------------------------------
  if (!data.samples.length) return;
  const pixels = new Map();  // data URI -> promise of ImageData
  const load = (uri) => {
    if (!pixels.has(uri)) {
      pixels.set(uri, new Promise((resolve, reject) => {
        const image = new Image();
        image.onload = () => {
          const canvas = make('canvas', { width: image.width, height: image.height });
          const context = canvas.getContext('2d', { willReadFrequently: true });
          context.drawImage(image, 0, 0);
          resolve(context.getImageData(0, 0, image.width, image.height));
        };
        image.onerror = reject;
        image.src = uri;
      }));
      if (pixels.size > 400) pixels.delete(pixels.keys().next().value);
    }
    return pixels.get(uri);
  };
  const heat = (value) => {  // a light-to-dark scale that colour-blind people can read
    const stops = [[0, 32, 77], [62, 75, 107], [123, 123, 120], [190, 175, 112], [255, 234, 70]];
    const place = Math.min(value, 0.9999) * 4;
    const [low, high] = [stops[Math.floor(place)], stops[Math.floor(place) + 1]];
    return low.map((from, channel) => from + (high[channel] - from) * (place % 1));
  };
  const paint = async (canvas, sample, layer) => {
    const photo = await load(sample.photo);
    const output = new ImageData(photo.width, photo.height);
    const overlay = find('overlay').checked;
    const opacity = Number(find('opacity').value);
    let label = () => 0;
    let activation = null;
    const grid = async (uri) => {
      const map = await load(uri);
      return (x, y) => map.data[4 * (Math.floor((y + 0.5) * map.height / photo.height) * map.width
        + Math.floor((x + 0.5) * map.width / photo.width))];
    };
    if (layer === 'cam' || layer === 'activation') {
      const [labels, scores] = [await grid(sample.cam.labels), await grid(sample.cam.scores)];
      if (layer === 'activation') activation = (x, y) => scores(x, y) / 255;
      else label = (x, y) => (scores(x, y) / 255 > state.threshold ? labels(x, y) : 0);
    } else if (layer !== 'photo') {
      label = await grid(sample[layer]);
    }
    for (let y = 0; y < photo.height; y += 1) {
      for (let x = 0; x < photo.width; x += 1) {
        const at4 = 4 * (y * photo.width + x);
        const base = [0, 1, 2].map((channel) => photo.data[at4 + channel]);
        const found = label(x, y);
        let top = null;
        if (activation) top = heat(activation(x, y));
        else if (layer !== 'photo') top = found === 255 ? [255, 255, 255] : data.palette[found];
        const weight = top === null ? 0
          : overlay ? (activation || found ? opacity : 0) : 1;
        for (let channel = 0; channel < 3; channel += 1) {
          output.data[at4 + channel] = base[channel] * (1 - weight)
            + (top ? top[channel] * weight : 0);
        }
        output.data[at4 + 3] = 255;
      }
    }
    canvas.width = photo.width;
    canvas.height = photo.height;
    canvas.getContext('2d').putImageData(output, 0, 0);
    canvas.dataset.painted = 'yes';
  };
  const layers = (sample) => [
    ['photo', 'photo'],
    ...(sample.cam ? [['activation', 'activation'], ['cam', 'maps at the threshold']] : []),
    ...['mask', 'seg', 'gt', ...data.runs]
      .filter((layer) => sample[layer]).map((layer) => [layer, data.titles[layer]]),
  ];
  const tile = (sample, layer, caption, index) => {
    const canvas = make('canvas', { tabIndex: 0 });
    canvas.dataset.layer = layer;
    canvas.dataset.id = sample.id;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `${caption} of ${sample.id}`);
    canvas.redraw = () => paint(canvas, sample, layer);
    const enlarge = () => view(index);
    canvas.addEventListener('click', enlarge);
    canvas.addEventListener('keydown', (event) => event.key === 'Enter' && enlarge());
    canvas.redraw();
    return make('figure', {}, canvas, make('figcaption', { textContent: caption }));
  };
  const card = (sample, index) => {
    const tags = make('p');
    sample.names.forEach(([label, name, tagged]) => {
      const [red, green, blue] = data.palette[label] ?? [120, 120, 120];
      const dot = make('i');
      dot.style.background = `rgb(${red},${green},${blue})`;
      tags.append(make('span', {
        className: tagged ? 'tag' : 'tag other',
        title: tagged ? '' : 'in a mask, not among the tags',
      }, dot, name));
    });
    if (!sample.names.length) tags.append(make('em', { textContent: 'no tags' }));
    const scores = Object.entries(sample.iou)
      .map(([layer, value]) => `${data.titles[layer]} ${percent(value)}`).join(' · ');
    return make('article', { className: 'sample panel' },
      make('header', {}, make('h3', { textContent: sample.id }), tags,
        make('span', { className: 'score', textContent: scores ? `IoU of the image: ${scores}` : '' })),
      make('div', { className: 'tiles' },
        ...layers(sample).map(([layer, caption]) => tile(sample, layer, caption, index))));
  };
  const view = (index) => {
    if (index < 0 || index >= state.shown.length) return;
    state.open = index;
    find('viewer-content').replaceChildren(card(state.shown[index], index));
    if (!find('viewer').open) find('viewer').showModal();
  };
  find('viewer').addEventListener('close', () => { state.open = null; });
  document.addEventListener('keydown', (event) => {
    if (state.open === null) return;
    if (event.key === 'ArrowRight') view(state.open + 1);
    if (event.key === 'ArrowLeft') view(state.open - 1);
  });

  const choices = (id, entries) => find(id).replaceChildren(
    ...entries.map(([value, textContent]) => make('option', { value, textContent })));
  const judges = [...new Set(data.samples.flatMap((sample) => Object.keys(sample.iou)))];
  const present = [...new Map(data.samples.flatMap((sample) => sample.names)
    .map(([label, name]) => [name, label])).keys()].sort();
  choices('filter-class', [['', 'all'], ...present.map((name) => [name, name])]);
  choices('filter-error', [['', 'all'], ['missed', 'missed objects'],
    ['spurious', 'spurious foreground'], ['confused', 'confused classes']]);
  choices('judge', judges.length ? judges.map((key) => [key, data.titles[key]]) : [['', 'nothing']]);
  choices('order', judges.length ? [['worst', 'worst first'], ['best', 'best first'], ['', 'as listed']]
    : [['', 'as listed']]);
  if (judges.includes('seg')) find('judge').value = 'seg';
  const PER_PAGE = 12;
  const browse = () => {
    const [name, error] = [find('filter-class').value, find('filter-error').value];
    const [judge, order] = [find('judge').value, find('order').value];
    state.shown = data.samples.filter((sample) =>
      (!name || sample.names.some((entry) => entry[1] === name))
      && (!error || sample.error[judge] === error));
    if (order) {
      const value = (sample) => sample.iou[judge] ?? (order === 'worst' ? 101 : -1);
      state.shown.sort((a, b) => (order === 'worst' ? 1 : -1) * (value(a) - value(b)));
    }
    const pages = Math.max(1, Math.ceil(state.shown.length / PER_PAGE));
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * PER_PAGE;
    find('browser').replaceChildren(...state.shown.slice(first, first + PER_PAGE)
      .map((sample, index) => card(sample, first + index)));
    find('count').textContent = `${state.shown.length} of ${data.samples.length} images`;
    find('pages').replaceChildren(...(pages < 2 ? [] : Array.from({ length: pages }, (_, page) => {
      const button = make('button', { type: 'button', textContent: String(page + 1) });
      if (page === state.page) button.setAttribute('aria-current', 'page');
      button.addEventListener('click', () => {
        state.page = page;
        browse();
        find('images').scrollIntoView();
      });
      return button;
    })));
  };
  ['filter-class', 'filter-error', 'judge', 'order'].forEach((id) =>
    find(id).addEventListener('change', () => { state.page = 0; browse(); }));
  ['opacity', 'overlay'].forEach((id) => find(id).addEventListener('input', () =>
    document.querySelectorAll('canvas[data-layer]').forEach((canvas) => canvas.redraw())));
  browse();
})();
