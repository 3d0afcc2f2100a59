/** A self-signed certificate for the name `triton.test`, and its key: for servers in tests, worth nothing elsewhere. */
export const tlsCertificate = {
  certificate: `-----BEGIN CERTIFICATE-----
MIIBaDCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAWMRQwEgYDVQQDDAt0cml0b24u
dGVzdDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFjEUMBIGA1UE
AwwLdHJpdG9uLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATsAZPl29Wv
XLfUU65I5TN2QCoCbDHcPqAxJvwG8ikxoMr9YVyUjcCf/eshgkiS0eSDUjXuDc+B
fsjeuaQ+neDKo0owSDAWBgNVHREEDzANggt0cml0b24udGVzdDAPBgNVHRMBAf8E
BTADAQH/MB0GA1UdDgQWBBRq7fqyBuUKNRD6JVxM+04vgUuVmzAKBggqhkjOPQQD
AgNJADBGAiEA5caRsVB/butSS4zK1dXdkiW83RXSmmMx04jNDDpennUCIQCC6B2l
cQAssdjhq1TOIZti7Z7krAPFIhY+ovs3m35p/A==
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9A77L9VWN9dTX3we
YnbncfsJVv+dmR402z0LJQOayC+hRANCAATsAZPl29WvXLfUU65I5TN2QCoCbDHc
PqAxJvwG8ikxoMr9YVyUjcCf/eshgkiS0eSDUjXuDc+BfsjeuaQ+neDK
-----END PRIVATE KEY-----
`,
}
