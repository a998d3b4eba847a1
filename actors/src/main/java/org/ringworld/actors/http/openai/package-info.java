/** The shapes of OpenAI's API: what clients send, and what they are answered. */
package org.ringworld.actors.http.openai;
