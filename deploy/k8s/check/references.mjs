// Checks what the objects of one rendering say about each other: what a schema cannot see and a cluster would tell
// only by a pod that never starts.

const workloads = new Set(['StatefulSet', 'Deployment', 'DaemonSet', 'Job']);
const same = (selector, labels) =>
  Object.keys(selector ?? {}).length > 0 && Object.entries(selector).every(([key, value]) => labels?.[key] === value);
const id = (object) => `${object.kind}/${object.metadata?.name}`;

/// `secrets` maps the name of a Secret that is made outside the rendering to the list of its keys.
/// Returns [{object, path, problem}].
export function checkReferences(objects, secrets = new Map()) {
  const out = [];
  const report = (object, path, problem) => out.push({object: id(object), path, problem});
  const ofKind = (kind) => objects.filter((object) => object.kind === kind);
  const named = (kind, name) => ofKind(kind).find((object) => object.metadata?.name === name);
  const pods = objects.filter((object) => workloads.has(object.kind)).map((owner) => ({
    owner,
    labels: owner.spec?.template?.metadata?.labels ?? {},
    spec: owner.spec?.template?.spec ?? {},
    containers: [...(owner.spec?.template?.spec?.initContainers ?? []),
                 ...(owner.spec?.template?.spec?.containers ?? [])],
  }));
  const portsOf = (pod) => pod.containers.flatMap((container) => container.ports ?? []);
  const hasPort = (pod, port) =>
    portsOf(pod).some((p) => (typeof port === 'string' ? p.name === port : p.containerPort === port));

  const seen = new Set();
  for (const object of objects) {
    if (seen.has(id(object))) report(object, 'metadata.name', 'two objects have this kind and name');
    seen.add(id(object));
  }

  for (const service of ofKind('Service')) {
    const chosen = pods.filter((pod) => same(service.spec?.selector, pod.labels));
    if (chosen.length === 0) report(service, 'spec.selector', 'selects no pod of this rendering');
    for (const [i, port] of (service.spec?.ports ?? []).entries())
      for (const pod of chosen)
        if (!hasPort(pod, port.targetPort ?? port.port))
          report(service, `spec.ports[${i}].targetPort`, `${id(pod.owner)} has no port ${port.targetPort ?? port.port}`);
  }
  for (const budget of ofKind('PodDisruptionBudget'))
    if (!pods.some((pod) => same(budget.spec?.selector?.matchLabels, pod.labels)))
      report(budget, 'spec.selector', 'selects no pod of this rendering');
  for (const policy of ofKind('NetworkPolicy')) {
    const chosen = pods.filter((pod) => same(policy.spec?.podSelector?.matchLabels, pod.labels));
    if (chosen.length === 0) report(policy, 'spec.podSelector', 'selects no pod of this rendering');
    for (const [i, rule] of (policy.spec?.ingress ?? []).entries()) {
      for (const [j, port] of (rule.ports ?? []).entries())
        for (const pod of chosen)
          if (port.port !== undefined && !hasPort(pod, port.port))
            report(policy, `spec.ingress[${i}].ports[${j}].port`, `${id(pod.owner)} has no port ${port.port}`);
      for (const [j, peer] of (rule.from ?? []).entries())
        if (peer.podSelector?.matchLabels && !pods.some((pod) => same(peer.podSelector.matchLabels, pod.labels)))
          report(policy, `spec.ingress[${i}].from[${j}].podSelector`, 'selects no pod of this rendering');
    }
  }

  for (const pod of pods) checkPod(pod);
  checkMembers();
  return out;

  function headless(pod, name, path) {
    const service = named('Service', name);
    if (!service) return report(pod.owner, path, `no Service ${name} in this rendering`);
    if (service.spec?.clusterIP !== 'None') report(pod.owner, path, `Service ${name} is not headless (clusterIP: None)`);
    if (!same(service.spec?.selector, pod.labels)) report(pod.owner, path, `Service ${name} does not select this pod`);
  }

  function checkPod(pod) {
    const {owner, spec, labels} = pod;
    const at = 'spec.template.spec';
    if (owner.spec?.selector && !same(owner.spec.selector.matchLabels, labels))
      report(owner, 'spec.selector.matchLabels', 'does not match the labels of its own template');
    if (owner.kind === 'StatefulSet') headless(pod, owner.spec?.serviceName, 'spec.serviceName');
    if (spec.subdomain !== undefined) {
      headless(pod, spec.subdomain, `${at}.subdomain`);
      if (!spec.hostname) report(owner, `${at}.hostname`, 'a subdomain without a hostname gives no DNS name');
    }
    for (const [i, spread] of (spec.topologySpreadConstraints ?? []).entries())
      if (!same(spread.labelSelector?.matchLabels, labels))
        report(owner, `${at}.topologySpreadConstraints[${i}].labelSelector`, 'does not match this pod');

    const files = new Map();  // volume -> names of its files; undefined: any
    for (const [i, volume] of (spec.volumes ?? []).entries()) {
      const path = `${at}.volumes[${i}]`;
      if (files.has(volume.name)) report(owner, `${path}.name`, `two volumes are named ${volume.name}`);
      files.set(volume.name, volumeFiles(owner, volume, path));
    }
    for (const [i, container] of pod.containers.entries()) {
      const path = `${at}.containers[${i}]`;
      const mounts = [];
      for (const [j, mount] of (container.volumeMounts ?? []).entries()) {
        if (!files.has(mount.name)) report(owner, `${path}.volumeMounts[${j}].name`, `no volume ${mount.name} in this pod`);
        else mounts.push(mount);
      }
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
        const {tcpSocket, httpGet, grpc} = container[probe] ?? {};
        const port = (tcpSocket ?? httpGet ?? grpc)?.port;
        if (port !== undefined && !hasPort({containers: [container]}, port))
          report(owner, `${path}.${probe}`, `this container has no port ${port}`);
      }
      const variables = new Set((container.env ?? []).map((variable) => variable.name));
      for (const [j, arg] of (container.args ?? []).entries()) {
        for (const [, name] of arg.matchAll(/(?<!\$)\$\(([^)]+)\)/g))
          if (!variables.has(name)) report(owner, `${path}.args[${j}]`, `$(${name}) is not in this container's env`);
        for (const text of podNames(pod).map((name) => arg.replaceAll('$(POD_NAME)', name)))
          checkFile(owner, `${path}.args[${j}]`, text.replace(/^--[^=]*=/, ''), mounts, files);
        const config = /^--config=(.*)$/.exec(arg)?.[1];
        if (config) checkConfig(owner, `${path}.args[${j}]`, config, mounts, files, pod);
      }
    }
  }

  function volumeFiles(owner, volume, path) {
    let keys;
    if (volume.configMap) {
      const map = named('ConfigMap', volume.configMap.name);
      if (!map) report(owner, `${path}.configMap.name`, `no ConfigMap ${volume.configMap.name} in this rendering`);
      keys = map && Object.keys({...map.data, ...map.binaryData});
    } else if (volume.secret) {
      const secret = named('Secret', volume.secret.secretName);
      keys = secret ? Object.keys({...secret.data, ...secret.stringData}) : secrets.get(volume.secret.secretName);
      if (!keys)
        report(owner, `${path}.secret.secretName`,
               `Secret ${volume.secret.secretName} is neither in this rendering nor named by --secret`);
    }
    const items = (volume.configMap ?? volume.secret)?.items;
    if (!items || !keys) return keys;
    for (const [i, item] of items.entries())
      if (!keys.includes(item.key)) report(owner, `${path}.items[${i}].key`, `there is no key ${item.key}`);
    return items.map((item) => item.path);
  }

  // A path below a mounted ConfigMap or Secret must name one of its files.
  function checkFile(owner, path, text, mounts, files) {
    const mount = mounts.find((m) => text.startsWith(`${m.mountPath}/`));
    const names = mount && files.get(mount.name);
    const file = mount && text.slice(mount.mountPath.length + 1);
    if (names && !names.includes(file))
      report(owner, path, `volume ${mount.name} has no file ${file}; it has: ${names.join(', ')}`);
  }

  function checkConfig(owner, path, config, mounts, files, pod) {
    const mount = mounts.find((m) => config.startsWith(`${m.mountPath}/`));
    const volume = (pod.spec.volumes ?? []).find((v) => v.name === mount?.name);
    const text = named('ConfigMap', volume?.configMap?.name)?.data?.[config.slice((mount?.mountPath.length ?? 0) + 1)];
    if (text === undefined) return;
    for (const [, file] of text.matchAll(/^(?:ca|cert|key) *= *"([^"]*)"/gm))
      checkFile(owner, `${path} (${config})`, file, mounts, files);
    const port = /^listen *= *"[^"]*:(\d+)"/m.exec(text)?.[1];
    if (port !== undefined && !hasPort(pod, Number(port)))
      report(owner, `${path} (${config})`, `listens on ${port}, which is no port of this pod`);
  }

  function podNames(pod) {
    if (pod.owner.kind === 'StatefulSet')
      return Array.from({length: pod.owner.spec?.replicas ?? 1}, (_, i) => `${pod.owner.metadata?.name}-${i}`);
    return [pod.spec.hostname ?? pod.owner.metadata?.name];
  }

  // A member list (member = ["NAME=HOST:PORT", ...]) names exactly the pods that have a DNS name, by that name.
  function checkMembers() {
    const expected = new Set();
    for (const pod of pods) {
      const domain = pod.owner.kind === 'StatefulSet' ? pod.owner.spec?.serviceName : pod.spec.subdomain;
      const port = portsOf(pod).find((p) => p.name === 'cluster')?.containerPort;
      if (domain && port) for (const name of podNames(pod)) expected.add(`${name}=${name}.${domain}:${port}`);
    }
    for (const map of ofKind('ConfigMap'))
      for (const [file, text] of Object.entries(map.data ?? {})) {
        const list = /^member *= *\[([^\]]*)\]/m.exec(text);
        if (!list) continue;
        const members = [...list[1].matchAll(/"([^"]*)"/g)].map((match) => match[1]);
        for (const member of new Set(members)) {
          if (!expected.has(member)) report(map, `data.${file}`, `member ${member} is no pod of this rendering`);
          if (members.filter((other) => other === member).length > 1)
            report(map, `data.${file}`, `member ${member} is listed twice`);
        }
        for (const member of expected)
          if (!members.includes(member)) report(map, `data.${file}`, `member ${member} is missing`);
      }
  }
}
