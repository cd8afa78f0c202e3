export { NodeMetrics } from './metrics.ts'
export { MonitoringServer } from './monitoring-server.ts'
