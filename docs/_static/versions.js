// A choice of the published versions below the name of the project. The list lies beside the folders
// of the versions (docs/publish.py); pages that are opened from disk, or stand alone, have none.
(async () => {
  const root = new URL(document.documentElement.dataset.content_root || './', location.href);
  const brand = document.querySelector('.sidebar-brand');
  if (!brand || !location.protocol.startsWith('http')) return;
  const address = (version) => new URL(`../${encodeURIComponent(version)}/`, root);
  let versions;
  try {
    const answer = await fetch(new URL('../versions.json', root));
    if (!answer.ok) return;
    versions = await answer.json();
  } catch {
    return;
  }
  const here = versions.find((version) => address(version).pathname === root.pathname);
  if (!here || versions.length < 2) return;
  const choice = document.createElement('select');
  choice.id = 'version-choice';
  choice.setAttribute('aria-label', 'Version of the documentation');
  choice.style.margin = '0 auto 1rem';
  for (const version of versions) {
    const text = version === versions[0] ? `${version} (newest)` : version;
    choice.append(new Option(text, version, false, version === here));
  }
  choice.addEventListener('change', async () => {
    const start = address(choice.value);
    const page = new URL(location.pathname.slice(root.pathname.length), start);
    const answer = await fetch(page, { method: 'HEAD' }).catch(() => ({ ok: false }));
    location.assign(answer.ok ? page : start);
  });
  brand.after(choice);
})();
