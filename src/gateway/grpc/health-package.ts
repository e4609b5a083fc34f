/**
 * grpc.health.v1, as reflection shows it. The published file has a map in one answer, and protobufjs describes maps in a way that other
 * languages refuse to load; a repeated entry of two fields is the same on the wire.
 */
import { fromJSON, type PackageDefinition } from '@grpc/proto-loader'

const ASKED = 'HealthCheckRequest'
const CHECKED = 'HealthCheckResponse'

export const HEALTH_PACKAGE: PackageDefinition = fromJSON({
  nested: {
    'grpc.health.v1': {
      nested: {
        HealthCheckRequest: { fields: { service: { type: 'string', id: 1 } } },
        HealthCheckResponse: {
          fields: { status: { type: 'ServingStatus', id: 1 } },
          nested: { ServingStatus: { values: { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } } },
        },
        HealthListRequest: { fields: {} },
        HealthListResponse: {
          fields: { statuses: { rule: 'repeated', type: 'StatusesEntry', id: 1 } },
          nested: { StatusesEntry: { fields: { key: { type: 'string', id: 1 }, value: { type: CHECKED, id: 2 } } } },
        },
        Health: {
          methods: {
            Check: { requestType: ASKED, responseType: CHECKED, comment: '' },
            Watch: { requestType: ASKED, responseType: CHECKED, responseStream: true, comment: '' },
            List: { requestType: 'HealthListRequest', responseType: 'HealthListResponse', comment: '' },
          },
        },
      },
    },
  },
})
