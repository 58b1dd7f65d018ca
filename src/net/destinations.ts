/** Where guests with NAT may not go, though the host could: networks that are somebody's own, and no internet. */
export const privateNetworks: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  // Link-local: the metadata services of clouds, which hand out the host's credentials.
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/** Echo requests that all guests together may send to the bridge's address: enough for people, no load for the host. */
export const echoesPerSecond = 50;
