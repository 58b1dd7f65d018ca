/** What the user is told when a guest's agent does not answer, but its sshd does. */
export const agentSilent = "the agent does not answer";
export const goingBySsh =
  "the guest agent does not answer: going by ssh, which is slower. A restart of the VM brings the agent back";
