#!/usr/bin/env node
// Breaks the rendered manifests in one place at a time and expects check.mjs to name that place. Takes its options.
import {parseArguments, problems, render} from './check.mjs';

const pod = (object) => object.spec.template.spec;
const set = 'StatefulSet/wordcount';
const job = 'Job/wordcount-count';
const service = 'Service/wordcount';

// [what is broken, object, change, how the line that must appear begins]
const breakages = [
  ['typo in a field', set, (o) => { o.spec.servicName = o.spec.serviceName; }, 'spec.servicName: unknown field'],
  ['typo deep inside', set, (o) => { pod(o).containers[0].livenessProbe.tcpSocket.prot = 1; },
    'spec.template.spec.containers[0].livenessProbe.tcpSocket.prot: unknown field'],
  ['field at the wrong level', job, (o) => { o.spec.hostname = 'coordinator'; }, 'spec.hostname: unknown field'],
  ['wrong type', set, (o) => { o.spec.replicas = '3'; }, 'spec.replicas: must be integer'],
  ['wrong type in a list', job, (o) => { pod(o).containers[0].args.push(7); },
    'spec.template.spec.containers[0].args[7]: must be string'],
  ['required field missing', set, (o) => { delete o.spec.selector; }, 'spec: must have required property selector'],
  ['unknown kind', 'PodDisruptionBudget/wordcount', (o) => { o.apiVersion = 'policy/v9'; }, 'apiVersion: no kind'],
  ['dangling ConfigMap', set, (o) => { pod(o).volumes[0].configMap.name = 'wordcount-confg'; },
    'spec.template.spec.volumes[0].configMap.name: no ConfigMap'],
  ['dangling Secret', job, (o) => { pod(o).volumes[1].secret.secretName = 'tls'; },
    'spec.template.spec.volumes[1].secret.secretName: Secret tls'],
  ['key that the Secret lacks', job, (o) => { pod(o).volumes[1].secret.items[1].key = 'client.crt'; },
    'spec.template.spec.volumes[1].items[1].key: there is no key'],
  ['mount without a volume', set, (o) => { pod(o).containers[0].volumeMounts[0].name = 'conf'; },
    'spec.template.spec.containers[0].volumeMounts[0].name: no volume conf'],
  ['file that is not mounted', set, (o) => {
    pod(o).containers[0].args[1] = '--config=/etc/wordcount/config/other.toml';
  },
    'spec.template.spec.containers[0].args[1]: volume config has no file other.toml'],
  ['replica without a certificate', set, (o) => { o.spec.replicas = 4; },
    'spec.template.spec.containers[0].args[3]: volume tls has no file wordcount-3.crt'],
  ['undefined variable', set, (o) => { delete pod(o).containers[0].env; },
    'spec.template.spec.containers[0].args[2]: $(POD_NAME) is not'],
  ['selector of a workload', set, (o) => { o.spec.selector.matchLabels['app.kubernetes.io/component'] = 'other'; },
    'spec.selector.matchLabels: does not match'],
  ['selector of the service', service, (o) => { o.spec.selector['app.kubernetes.io/name'] = 'other'; },
    'spec.selector: selects no pod'],
  ['selector of the budget', 'PodDisruptionBudget/wordcount', (o) => { o.spec.selector.matchLabels.a = 'b'; },
    'spec.selector: selects no pod'],
  ['selector of the policy', 'NetworkPolicy/wordcount',
    (o) => { o.spec.ingress[0].from[0].podSelector.matchLabels.a = 'b'; },
    'spec.ingress[0].from[0].podSelector: selects no pod'],
  ['port of the service', service, (o) => { o.spec.ports[0].targetPort = 'grpc'; },
    'spec.ports[0].targetPort: StatefulSet/'],
  ['port of a probe', set, (o) => { pod(o).containers[0].readinessProbe.tcpSocket.port = 7000; },
    'spec.template.spec.containers[0].readinessProbe: this container has no port 7000'],
  ['service name', set, (o) => { o.spec.serviceName = 'nodes'; }, 'spec.serviceName: no Service nodes'],
  ['service that is not headless', service, (o) => { delete o.spec.clusterIP; },
    'spec.serviceName: Service wordcount is not headless', set],
  ['subdomain', job, (o) => { pod(o).subdomain = 'nodes'; }, 'spec.template.spec.subdomain: no Service nodes'],
  ['member of no pod', 'ConfigMap/wordcount-config', (o) => {
    o.data['wordcount.toml'] = o.data['wordcount.toml'].replace('"wordcount-1=', '"wordcount-7=');
  }, 'data.wordcount.toml: member wordcount-7='],
  ['member missing', 'ConfigMap/wordcount-config', (o) => {
    o.data['wordcount.toml'] = o.data['wordcount.toml'].replace(/"coordinator=[^"]*"/, '');
  }, 'data.wordcount.toml: member coordinator=coordinator.wordcount:7100 is missing'],
  ['listening port', 'ConfigMap/wordcount-config', (o) => {
    o.data['wordcount.toml'] = o.data['wordcount.toml'].replace('0.0.0.0:7100', '0.0.0.0:7200');
  }, 'spec.template.spec.containers[0].args[1] (/etc/wordcount/config/wordcount.toml): listens on 7200', set],
];

let options, good;
try {
  options = parseArguments(process.argv.slice(2));
  if (options.help) {
    console.log('usage: selftest.mjs, with the options of check.mjs (see check.mjs --help)');
    process.exit(0);
  }
  good = render(options);
} catch (error) {
  console.error(`selftest.mjs: ${error.message}`);
  process.exit(error.exitCode ?? 2);
}
const failures = (await problems(good, options)).map((line) => `the unbroken manifests: ${line}`);
for (const [what, name, change, expected, reportedBy = name] of breakages) {
  const objects = structuredClone(good);
  const find = (wanted) => objects.find((o) => `${o.kind}/${o.metadata.name}`.startsWith(wanted));  // a ConfigMap's name ends in a hash
  change(find(name));
  const lines = await problems(objects, options);
  const found = (line) => line.startsWith(reportedBy) && line.slice(line.indexOf(': ') + 2).startsWith(expected);
  if (!lines.some(found))
    failures.push(`${what}: expected "${reportedBy}: ${expected}...", got:\n    ${lines.join('\n    ') || 'nothing'}`);
}
for (const failure of failures) console.log(failure);
console.log(`${breakages.length} breakages, ${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;
