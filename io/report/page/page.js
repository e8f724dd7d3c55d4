// Charts of the page, drawn by uPlot from the numbers in #data. Without this script the page shows the same curves as SVG.
(function () {
    "use strict";
    const data = JSON.parse(document.getElementById("data").textContent);
    const state = { smooth: 0, log: false };
    const plots = [];
    const color = (i) => getComputedStyle(document.documentElement).getPropertyValue(i < 0 ? "--soft" : "--c" + (i % 10)).trim();
    const line = () => getComputedStyle(document.documentElement).getPropertyValue("--line").trim();

    // The exponential mean, corrected for its start; what is no number is left out.
    function smoothed(values, share) {
        let sum = 0, weight = 0;
        return values.map((v) => {
            if (v === null) return null;
            sum = share * sum + (1 - share) * v;
            weight = share * weight + (1 - share);
            return sum / weight;
        });
    }

    function curveOf(one) {
        return data.runs[one.run].curves[one.key];
    }

    // Several curves on one axis of steps; null where a curve has no value.
    function joined(tables) {
        return tables.length === 1 ? tables[0] : uPlot.join(tables);
    }

    function stacked(table) {
        const below = table[0].map(() => 0);
        return [table[0], ...table.slice(1).map((ys) => ys.map((y, i) => (below[i] += y || 0)))];
    }

    function tablesOf(chart) {
        const tables = [];
        for (const one of chart.curves) {
            const c = curveOf(one);
            const raw = state.log ? c.value.map((v) => (v > 0 ? v : null)) : c.value;
            tables.push([c.step, raw]);
            if (smooths(chart, one)) tables.push([c.step, smoothed(raw, state.smooth)]);
        }
        return chart.stacked ? stacked(joined(tables)) : joined(tables);
    }

    function smooths(chart, one) {
        return state.smooth > 0 && !one.valid && !chart.stacked;
    }

    function label(one) {
        return (data.runs.length > 1 ? data.runs[one.run].name + " " : "") + one.key;
    }

    function seriesOf(chart) {
        const series = [{ label: "step" }];
        const show = (u, v) => (v === null || v === undefined ? "" : Number(v.toPrecision(6)).toString());
        chart.curves.forEach((one, i) => {
            const plain = {
                label: label(one), stroke: color(i), width: 1.5, spanGaps: true, value: show,
                points: { show: one.valid || curveOf(one).step.length < 3, size: 6, fill: color(i) }, dash: one.valid ? [5, 3] : undefined,
            };
            if (chart.stacked) plain.fill = color(i) + "55";
            if (smooths(chart, one)) {
                series.push({ ...plain, stroke: color(i) + "44", label: plain.label + ", raw" }, plain);
            } else series.push(plain);
        });
        return series;
    }

    function upright(u, step, dash) {
        const ctx = u.ctx, box = u.bbox, x = u.valToPos(step, "x", true);
        if (x < box.left || x > box.left + box.width) return;
        ctx.setLineDash(dash);
        ctx.beginPath();
        ctx.moveTo(x, box.top);
        ctx.lineTo(x, box.top + box.height);
        ctx.stroke();
    }

    // Checkpoints as ticks on the axis of steps; lines: the best one dotted, starts behind the first dashed.
    function marks(u) {
        const runs = new Set(data.charts[u.number].curves.map((c) => c.run));
        const ctx = u.ctx, box = u.bbox;
        ctx.save();
        for (const r of runs) {
            ctx.fillStyle = ctx.strokeStyle = color(-1);
            for (const step of data.runs[r].saves) {
                const x = u.valToPos(step, "x", true);
                if (x >= box.left && x <= box.left + box.width) ctx.fillRect(x - 1, box.top + box.height - 6, 2, 6);
            }
            if (data.runs[r].best >= 0) upright(u, data.runs[r].best, [2, 4]);
            for (const step of data.runs[r].starts) if (step > 0) upright(u, step, [8, 4]);
        }
        ctx.restore();
    }

    function options(chart, width) {
        const axis = { stroke: color(-1), grid: { stroke: line(), width: 1 }, ticks: { stroke: line(), width: 1 } };
        const values = (u, splits) => splits.map((v) => (v === null ? "" : Number(v.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 })));
        const bands = chart.stacked ? chart.curves.slice(1).map((c, i) => ({ series: [i + 2, i + 1] })) : undefined;
        return {
            width: width, height: 260, bands: bands, series: seriesOf(chart),
            scales: { x: { time: false }, y: { distr: state.log && !chart.stacked ? 3 : 1 } },
            axes: [axis, { ...axis, values: values, size: 72, label: chart.unit || undefined, labelSize: 16 }],
            cursor: { sync: { key: "steps" }, drag: { x: true, y: false } },
            hooks: { draw: [marks] },
        };
    }

    // Arrows move the cursor, + and - zoom around it, 0 shows everything again.
    function keys(u, event) {
        const x = u.scales.x, at = u.cursor.left < 0 ? u.over.clientWidth / 2 : u.cursor.left;
        const middle = u.posToVal(at, "x");
        const zoom = (f) => u.setScale("x", { min: middle - (middle - x.min) * f, max: middle + (x.max - middle) * f });
        if (event.key === "ArrowLeft") u.setCursor({ left: Math.max(0, at - 5), top: 10 });
        else if (event.key === "ArrowRight") u.setCursor({ left: Math.min(u.over.clientWidth, at + 5), top: 10 });
        else if (event.key === "+") zoom(0.7);
        else if (event.key === "-") zoom(1 / 0.7);
        else if (event.key === "0") u.setData(u.data);
        else return;
        event.preventDefault();
    }

    function draw(number) {
        const figure = document.getElementById("chart" + number), chart = data.charts[number];
        const old = plots[number], still = figure.querySelector(".still");
        if (old) old.destroy();
        still.hidden = true;
        const u = new uPlot(options(chart, figure.clientWidth - 28), tablesOf(chart), (self, init) => {
            self.number = number;
            figure.append(self.root);
            init();
        });
        u.root.tabIndex = 0;
        u.root.setAttribute("aria-label", figure.querySelector("h2").textContent + ": arrows move, + and - zoom, 0 shows all");
        u.root.addEventListener("keydown", (event) => keys(u, event));
        plots[number] = u;
    }

    function drawAll() {
        data.charts.forEach((chart, i) => draw(i));
    }

    function control(text, input, change) {
        const label = document.createElement("label");
        label.append(text, input);
        input.addEventListener("input", () => {
            change(input);
            drawAll();
        });
        document.getElementById("controls").append(label);
    }

    function input(type, settings) {
        return Object.assign(document.createElement("input"), { type: type }, settings);
    }

    control("smooth", input("range", { min: 0, max: 0.99, step: 0.01, value: 0 }), (i) => (state.smooth = Number(i.value)));
    control("log scale", input("checkbox", {}), (i) => (state.log = i.checked));
    const whole = document.createElement("button");
    whole.textContent = "whole runs";
    whole.addEventListener("click", () => plots.forEach((u) => u.setData(u.data)));
    document.getElementById("controls").append(whole);
    document.getElementById("controls").hidden = false;
    drawAll();
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    let width = window.innerWidth;
    window.addEventListener("resize", () => {
        if (window.innerWidth === width) return;
        width = window.innerWidth;
        plots.forEach((u, i) => u.setSize({ width: document.getElementById("chart" + i).clientWidth - 28, height: 260 }));
    });
})();
