export { NodeMetrics } from './metrics.ts'
export { MonitoringServer, type MonitoringSources } from './monitoring-server.ts'
