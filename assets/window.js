// Tell the page whether the window is as narrow as a phone's, once it differs from what the page knows.
export default function ({ data, setStateValue }) {
  const media = matchMedia("(max-width: 640px)");
  const tell = () => setStateValue("narrow", media.matches);
  if (media.matches !== data.narrow) tell();
  media.addEventListener("change", tell);
  return () => media.removeEventListener("change", tell);
}
