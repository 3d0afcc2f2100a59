import { relative } from 'node:path'
import type { LocalEngine } from '../local/index.ts'

interface BannerFacts {
  region: string
  /** As the user wrote it; undefined: in memory. */
  data: string | undefined
  streams: readonly string[]
  hasTestControls: boolean
}

/** What a new user needs to know, in one screen: where the engine is, and what to set for each client. */
export function localBanner(engine: LocalEngine, { region, data, streams, hasTestControls }: BannerFacts): string {
  const { endpoint, port, certificate } = engine
  const plainToo = certificate === undefined ? '' : ' Plain HTTP is spoken there too.'
  const { hostname } = new URL(endpoint)
  return [
    `Kinesis is at ${endpoint}, ${data === undefined ? 'in memory: it forgets everything when it stops' : `kept in ${data}`}.${plainToo}`,
    `Watch it at ${endpoint}/_triton.`,
    ...(hasTestControls ? ['It takes orders of tests from this machine: /_triton/faults, /_triton/clock.'] : []),
    ...streams.map((name) => `Stream ${name} is there.`),
    '',
    'AWS CLI, SDKs, KCL and triton read these:',
    `  export AWS_ENDPOINT_URL_KINESIS=${endpoint}`,
    `  export AWS_REGION=${region} AWS_DEFAULT_REGION=${region}   # the second for Python`,
    '  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local   # any will do; triton needs none here',
    ...(certificate === undefined ? [] : trustLines(endpoint, certificate)),
    '',
    'KCL, where DynamoDB and CloudWatch are elsewhere:',
    `  KinesisAsyncClient.builder().endpointOverride(URI.create("${endpoint}"))`,
    ...(certificate === undefined
      ? ['KPL speaks TLS only: start with --tls.']
      : [
          'KPL:',
          `  new KinesisProducerConfiguration().setKinesisEndpoint("${hostname}").setKinesisPort(${port})`,
          certificate.file === undefined
            ? '      .setVerifyCertificate(false)'
            : `      .setCaCertFile("${certificate.file}")`,
        ]),
    'Terraform:',
    `  provider "aws" {`,
    `    region     = "${region}"`,
    '    access_key = "local"',
    '    secret_key = "local"',
    '    skip_credentials_validation = true',
    '    skip_requesting_account_id  = true',
    `    endpoints { kinesis = "${endpoint}" }`,
    '  }',
    '',
    'Ctrl-C stops it.',
  ].join('\n')
}

function trustLines(endpoint: string, { file }: NonNullable<LocalEngine['certificate']>): string[] {
  if (file === undefined) {
    const address = `http://${new URL(endpoint).host}/_triton/certificate.pem`
    return [
      `  curl -s ${address} > triton.pem   # its certificate, until it stops; --data keeps one`,
      '  export AWS_CA_BUNDLE=triton.pem NODE_EXTRA_CA_CERTS=triton.pem   # the second for Node.js',
    ]
  }
  const shortest = relative('', file)
  const path = shortest.startsWith('..') ? file : shortest
  return [`  export AWS_CA_BUNDLE=${path} NODE_EXTRA_CA_CERTS=${path}   # the second for Node.js`]
}
