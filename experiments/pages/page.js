'use strict';

// The switch between light and dark; without it the system decides.
{
  const root = document.documentElement;
  const store = (theme) => {
    try { localStorage.setItem('theme', theme); } catch { /* of no weight */ }
  };
  const stored = () => {
    try { return localStorage.getItem('theme'); } catch { return null; }
  };
  if (stored()) root.dataset.theme = stored();
  document.getElementById('theme').addEventListener('click', () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
    store(root.dataset.theme);
  });
}

// What the nearest point of a chart says, while it is pointed at.
{
  const REACH = 18; // pixels
  const tip = document.getElementById('tip');
  const svgName = 'http://www.w3.org/2000/svg';

  const nearest = (spots, x, y) => {
    let best = null;
    let least = Infinity;
    for (const spot of spots) {
      const distance = Math.hypot(spot[0] - x, spot[1] - y);
      if (distance < least) [best, least] = [spot, distance];
    }
    return [best, least];
  };

  const put = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(x + 12, innerWidth - box.width - 4);
    const top = y + 16 + box.height > innerHeight ? y - box.height - 8 : y + 16;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  };

  for (const data of document.querySelectorAll('script.spots')) {
    const spots = JSON.parse(data.textContent);
    const svg = data.parentElement.querySelector('svg');
    const ring = document.createElementNS(svgName, 'circle');
    ring.setAttribute('class', 'ring');
    ring.setAttribute('r', 5);
    ring.setAttribute('visibility', 'hidden');
    svg.append(ring);
    const hide = () => {
      ring.setAttribute('visibility', 'hidden');
      tip.hidden = true;
    };
    const show = (event) => {
      const scale = svg.getScreenCTM();
      const at = new DOMPoint(event.clientX, event.clientY)
        .matrixTransform(scale.inverse());
      const [spot, distance] = nearest(spots, at.x, at.y);
      if (!spot || distance * scale.a > REACH) return hide();
      ring.setAttribute('cx', spot[0]);
      ring.setAttribute('cy', spot[1]);
      ring.setAttribute('visibility', 'visible');
      put(spot[2], event.clientX, event.clientY);
    };
    svg.addEventListener('pointermove', show);
    svg.addEventListener('pointerdown', show);
    svg.addEventListener('pointerleave', (event) => {
      if (event.pointerType !== 'touch') hide(); // a finger that is lifted
    });
    // Captured, so that another chart can show its own afterwards.
    document.addEventListener('pointerdown', hide, { capture: true });
    document.addEventListener('scroll', hide, { capture: true, passive: true });
  }
}
