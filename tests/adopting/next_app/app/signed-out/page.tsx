export default function Page() {
  return <p>signed out</p>;
}
