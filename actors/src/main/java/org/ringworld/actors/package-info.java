/**
 * Training as a program asks for it: {@link Training} runs a job on a ring of devices in this JVM.
 * The actors lie in the packages below; begin with {@link org.ringworld.actors.device.DeviceActor}
 * and {@link org.ringworld.actors.job.Coordinator}, then {@link org.ringworld.actors.links.Links}.
 */
package org.ringworld.actors;
