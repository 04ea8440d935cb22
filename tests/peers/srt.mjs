// Runs a command in @anthropic-ai/sandbox-runtime with TLS ended and a rule on method and path.
import { spawn } from 'node:child_process'
import { pathToFileURL } from 'node:url'

const { SandboxManager } = await import(pathToFileURL(`${process.env.SRT}/dist/index.js`))
await SandboxManager.initialize({
  network: {
    allowedDomains: ['allowed.test', 'rebind.test', 'self.test'],
    deniedDomains: [],
    tlsTerminate: {},
    filterRequest: async request => {
      const url = new URL(request.url)
      const allowed = url.hostname !== 'allowed.test' || url.pathname.startsWith('/public/')
      return { action: allowed && request.method === 'GET' ? 'allow' : 'deny' }
    },
  },
  filesystem: { denyRead: [], allowWrite: [], denyWrite: [] },
})
const wrapped = await SandboxManager.wrapWithSandbox(process.argv[2])

const child = spawn(wrapped, { shell: true, stdio: 'inherit' })
child.on('exit', async code => {
  await SandboxManager.reset()
  process.exit(code ?? 1)
})
